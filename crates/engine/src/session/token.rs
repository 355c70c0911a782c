//! What a commit leaves in the caller's hands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::driver::Position;
use crate::error::{Error, Result};

/// How a token that stands for nothing is written.
const NOTHING: &str = "none";

/// Proof of a commit: what is read with [`Database::read_after`](crate::Database::read_after) is never older.
///
/// It holds the identifier of the PostgreSQL system, the timeline and the position in the log, so it can't be mistaken
/// for one of another cluster or of before a promotion. It can be written down and read back, to travel in a header, a
/// cookie or a message: it is made of letters, digits and dots.
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
pub struct CommitToken(Option<Position>);

impl CommitToken {
    pub(crate) fn nothing_written() -> Self {
        Self(None)
    }

    pub(crate) fn at(position: Option<Position>) -> Self {
        Self(position)
    }

    pub(crate) fn place(&self) -> Option<Position> {
        self.0
    }

    /// The position in PostgreSQL's write-ahead log (`pg_lsn` as a number) that was reached right after the
    /// commit; none on SQLite, and where nothing was written.
    pub fn position(&self) -> Option<u64> {
        self.0.map(|position| position.lsn)
    }

    /// The timeline of the log, which goes up with each promotion.
    pub fn timeline(&self) -> Option<u32> {
        self.0.map(|position| position.timeline)
    }

    /// The identifier that the primary shares with its replicas.
    pub fn system(&self) -> Option<u64> {
        self.0.map(|position| position.system)
    }
}

impl fmt::Display for CommitToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(Position { system, timeline, lsn }) => write!(f, "{system}.{timeline}.{lsn:X}"),
            None => f.write_str(NOTHING),
        }
    }
}

impl FromStr for CommitToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == NOTHING {
            return Ok(Self(None));
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
        let problem = "it is not three numbers with dots between, as CommitToken::to_string writes it";
        position()
            .map(|position| Self(Some(position)))
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
            let token = CommitToken(Some(Position { system, timeline, lsn }));
            let text = token.to_string();
            prop_assert!(text.chars().all(|symbol| symbol.is_ascii_alphanumeric() || symbol == '.'));
            prop_assert_eq!(text.parse::<CommitToken>().unwrap(), token);
        }
    }

    #[test]
    fn a_token_of_nothing_reads_back_too() {
        let token = CommitToken::nothing_written();
        assert_eq!(token.to_string().parse::<CommitToken>().unwrap(), token);
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
