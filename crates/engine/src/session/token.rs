//! What a commit leaves in the caller's hands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::driver::Position;
use crate::error::{Error, Result};
use crate::routing::Need;

/// How the tokens without a position are written. Earlier versions wrote [`EITHER`] for both, so it is read as the one
/// that is safe for both.
const NOTHING_WRITTEN: &str = "nothing";
const UNKNOWN: &str = "unknown";
const EITHER: &str = "none";

/// Proof of a commit: what is read with [`Database::read_after`](crate::Database::read_after) is never older.
///
/// It holds the identifier of the PostgreSQL system, the timeline and the position in the log, so it can't be mistaken
/// for one of another cluster or of before a promotion. It can be written down and read back, to travel in a header, a
/// cookie or a message: it is made of letters, digits and dots.
///
/// Two tokens hold no position. That of a transaction that wrote nothing asks nothing of a read. That of a commit whose
/// position is not known, because the connection was lost right behind the acknowledgement, sends reads to the primary
/// ([`CommitToken::is_position_unknown`]).
///
/// ```
/// use tallybook_engine::CommitToken;
///
/// let token: CommitToken = "7412345678901234567.1.16B3748".parse()?;
/// assert_eq!(token.position(), Some(0x16B_3748));
/// assert_eq!(token.to_string(), "7412345678901234567.1.16B3748");
/// # Ok::<(), tallybook_engine::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitToken(Commit);

/// What is known of the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commit {
    /// There was nothing to commit, so every server has it.
    NothingWritten,
    /// Whoever has replayed this has it.
    At(Position),
    /// Only the primary is known to have it.
    Unknown,
}

impl CommitToken {
    pub(crate) fn nothing_written() -> Self {
        Self(Commit::NothingWritten)
    }

    /// Of a commit that was acknowledged, and of its position if that is known.
    pub(crate) fn at(position: Option<Position>) -> Self {
        Self(position.map_or(Commit::Unknown, Commit::At))
    }

    /// What a read that has to see the commit asks of its server.
    pub(crate) fn need(&self) -> Need {
        match self.0 {
            Commit::NothingWritten => Need::Usual,
            Commit::At(position) => Need::After(position),
            Commit::Unknown => Need::Primary,
        }
    }

    fn known(&self) -> Option<Position> {
        match self.0 {
            Commit::At(position) => Some(position),
            Commit::NothingWritten | Commit::Unknown => None,
        }
    }

    /// The position in PostgreSQL's write-ahead log (`pg_lsn` as a number) that was reached right after the
    /// commit; none on SQLite, where nothing was written, and where it is unknown.
    pub fn position(&self) -> Option<u64> {
        self.known().map(|position| position.lsn)
    }

    /// Whether something was committed at a position that is not known: reads after it go to the primary. So it is on
    /// SQLite, which has no positions and no other server, and where the connection was lost between the acknowledgement
    /// and the position.
    pub fn is_position_unknown(&self) -> bool {
        self.0 == Commit::Unknown
    }

    /// The timeline of the log, which goes up with each promotion.
    pub fn timeline(&self) -> Option<u32> {
        self.known().map(|position| position.timeline)
    }

    /// The identifier that the primary shares with its replicas.
    pub fn system(&self) -> Option<u64> {
        self.known().map(|position| position.system)
    }
}

impl fmt::Display for CommitToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Commit::At(Position { system, timeline, lsn }) => write!(f, "{system}.{timeline}.{lsn:X}"),
            Commit::NothingWritten => f.write_str(NOTHING_WRITTEN),
            Commit::Unknown => f.write_str(UNKNOWN),
        }
    }
}

impl FromStr for CommitToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            NOTHING_WRITTEN => return Ok(Self(Commit::NothingWritten)),
            UNKNOWN | EITHER => return Ok(Self(Commit::Unknown)),
            _ => {}
        }
        let position = || {
            let mut parts = text.split('.');
            let (system, timeline, lsn) = (parts.next()?, parts.next()?, parts.next()?);
            parts.next().is_none().then_some(())?;
            Some(Position {
                system: system.parse().ok()?,
                timeline: timeline.parse().ok()?,
                lsn: u64::from_str_radix(lsn, 16).ok()?,
            })
        };
        // Not quoted: it may come from anywhere.
        let problem = "it is neither three numbers with dots between nor `nothing` or `unknown`, as CommitToken::to_string \
                       writes it";
        position()
            .map(|position| Self(Commit::At(position)))
            .ok_or_else(|| Error::invalid_value("the commit token", problem))
    }
}

impl TryFrom<String> for CommitToken {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<CommitToken> for String {
    fn from(token: CommitToken) -> Self {
        token.to_string()
    }
}

/// What a write transaction returned, and its [`CommitToken`].
#[derive(Clone, Copy, Debug)]
pub struct Committed<T> {
    value: T,
    token: CommitToken,
}

impl<T> Committed<T> {
    pub(crate) fn new(value: T, token: CommitToken) -> Self {
        Self { value, token }
    }

    /// What the transaction returned.
    pub fn into_value(self) -> T {
        self.value
    }

    /// What the transaction returned, by reference.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// For reads that must see this commit.
    pub fn token(&self) -> CommitToken {
        self.token
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_that_is_written_down_reads_back_the_same(system: u64, timeline: u32, lsn: u64) {
            let token = CommitToken::at(Some(Position { system, timeline, lsn }));
            let text = token.to_string();
            prop_assert!(text.chars().all(|symbol| symbol.is_ascii_alphanumeric() || symbol == '.'));
            prop_assert_eq!(text.parse::<CommitToken>().unwrap(), token);
        }
    }

    #[test]
    fn tokens_without_a_position_read_back_as_what_they_are() {
        for (token, text, need) in [
            (CommitToken::nothing_written(), "nothing", Need::Usual),
            (CommitToken::at(None), "unknown", Need::Primary),
        ] {
            assert_eq!(token.to_string(), text);
            assert_eq!(text.parse::<CommitToken>().unwrap(), token);
            assert_eq!((token.position(), token.need()), (None, need));
        }
    }

    #[test]
    fn a_token_without_a_position_of_an_earlier_version_is_read_as_one_of_a_commit() {
        assert_eq!("none".parse::<CommitToken>().unwrap(), CommitToken::at(None));
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_quoted() {
        for text in ["", "1", "1.2", "1.2.x", "1.2.3.4", "-1.2.3", "1.2.3\r\nSet-Cookie: x"] {
            let error = text.parse::<CommitToken>().unwrap_err();
            assert!(error.is_invalid_value());
            assert!(!error.to_string().contains("Set-Cookie"));
        }
    }
}
