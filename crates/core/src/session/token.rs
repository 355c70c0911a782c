//! Commit tokens, for reads that must see a commit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tallybook_sql::error::{Error, Result};
use tallybook_sql::replication::Position;

use crate::routing::ReadConsistency;

/// Text forms of tokens without a position. Earlier versions wrote [`EITHER`] for both, so it is read as the
/// one that is always safe.
const NOTHING_WRITTEN: &str = "nothing";
const UNKNOWN: &str = "unknown";
const EITHER: &str = "none";

/// Proof of a commit. A session from [`Database::read_after`](crate::Database::read_after) is never older.
///
/// The token holds the system identifier, timeline and log position of PostgreSQL, so it is never mistaken
/// for one of another cluster or from before a promotion. Its text form consists of letters, digits and dots,
/// and fits into a header, a cookie or a message.
///
/// Two kinds of token have no position. The token of a transaction that wrote nothing requires nothing of a
/// read. The token of a commit whose position is unknown, because the connection was lost right after the
/// acknowledgement, sends reads to the primary ([`CommitToken::is_position_unknown`]).
///
/// ```
/// use tallybook::CommitToken;
///
/// let token: CommitToken = "7412345678901234567.1.16B3748".parse()?;
/// assert_eq!(token.position(), Some(0x16B_3748));
/// assert_eq!(token.to_string(), "7412345678901234567.1.16B3748");
/// # Ok::<(), tallybook::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitToken(Commit);

/// The known facts about the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commit {
    /// Nothing was committed, so every server qualifies.
    NothingWritten,
    /// A server that has replayed this position qualifies.
    At(Position),
    /// Only the primary is known to qualify.
    Unknown,
}

impl CommitToken {
    pub(crate) fn nothing_written() -> Self {
        Self(Commit::NothingWritten)
    }

    /// Creates the token of an acknowledged commit, at its position if known.
    pub(crate) fn at(position: Option<Position>) -> Self {
        Self(position.map_or(Commit::Unknown, Commit::At))
    }

    /// Returns the consistency that a read after the commit requires.
    pub(crate) fn consistency(&self) -> ReadConsistency {
        match self.0 {
            Commit::NothingWritten => ReadConsistency::Usual,
            Commit::At(position) => ReadConsistency::After(position),
            Commit::Unknown => ReadConsistency::Primary,
        }
    }

    fn known(&self) -> Option<Position> {
        match self.0 {
            Commit::At(position) => Some(position),
            Commit::NothingWritten | Commit::Unknown => None,
        }
    }

    /// Returns the position in PostgreSQL's write-ahead log right after the commit (`pg_lsn` as a number).
    /// `None` on SQLite, if nothing was written, and if the position is unknown.
    pub fn position(&self) -> Option<u64> {
        self.known().map(|position| position.lsn)
    }

    /// Returns whether something was committed at an unknown position, so that reads after it go to the
    /// primary. True on SQLite, which has no positions, and if the connection was lost between the
    /// acknowledgement and the position.
    pub fn is_position_unknown(&self) -> bool {
        self.0 == Commit::Unknown
    }

    /// Returns the timeline of the log; each promotion increases it.
    pub fn timeline(&self) -> Option<u32> {
        self.known().map(|position| position.timeline)
    }

    /// Returns the system identifier, which a primary shares with its replicas.
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
        // The text is not quoted, because it may come from an untrusted client.
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

/// The result of a write transaction, and its [`CommitToken`].
#[derive(Clone, Copy, Debug)]
pub struct Committed<T> {
    value: T,
    token: CommitToken,
}

impl<T> Committed<T> {
    pub(crate) fn new(value: T, token: CommitToken) -> Self {
        Self { value, token }
    }

    /// Returns the result of the transaction.
    pub fn into_value(self) -> T {
        self.value
    }

    /// Changes the result, and keeps the token.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Committed<U> {
        Committed { value: change(self.value), token: self.token }
    }

    /// Returns a reference to the result of the transaction.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Returns the token for reads that must see this commit.
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
        for (token, text, consistency) in [
            (CommitToken::nothing_written(), "nothing", ReadConsistency::Usual),
            (CommitToken::at(None), "unknown", ReadConsistency::Primary),
        ] {
            assert_eq!(token.to_string(), text);
            assert_eq!(text.parse::<CommitToken>().unwrap(), token);
            assert_eq!((token.position(), token.consistency()), (None, consistency));
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
