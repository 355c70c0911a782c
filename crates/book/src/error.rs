//! The one error type of the book.

use std::fmt;

use chrono::{DateTime, Utc};

/// What went wrong with the book: what the [engine](tallybook_engine::Error) reports, or a row that is not
/// there.
pub struct Error(Box<Kind>);

/// The result of anything the book does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error(transparent)]
    Engine(#[from] tallybook_engine::Error),
    #[error("there is no {noun} {id}")]
    NotFound { noun: &'static str, id: i64 },
    #[error(
        "{noun} {id} was changed since it was read: its updated_at is {found}, not {expected}; read it again, and decide \
         again"
    )]
    Stale { noun: &'static str, id: i64, expected: DateTime<Utc>, found: DateTime<Utc> },
    #[error("{0:?} is no cursor here; pass on one that a page of the same list returned, unchanged")]
    Cursor(String),
}

/// Characters of a text that is no cursor.
const MAX_QUOTED: usize = 100;

impl Error {
    pub(crate) fn not_found(noun: &'static str, id: i64) -> Self {
        Self(Box::new(Kind::NotFound { noun, id }))
    }

    pub(crate) fn stale(noun: &'static str, id: i64, expected: DateTime<Utc>, found: DateTime<Utc>) -> Self {
        Self(Box::new(Kind::Stale { noun, id, expected, found }))
    }

    pub(crate) fn cursor(text: &str) -> Self {
        // It may come from anywhere, at any length.
        Self(Box::new(Kind::Cursor(text.chars().take(MAX_QUOTED).collect())))
    }

    /// The engine's error, if it is one: for its other predicates.
    pub fn engine(&self) -> Option<&tallybook_engine::Error> {
        match &*self.0 {
            Kind::Engine(error) => Some(error),
            _ => None,
        }
    }

    /// The row to update is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(*self.0, Kind::NotFound { .. })
    }

    /// The row was changed since it was read, so an update or a deletion that was
    /// [`expecting`](crate::Update::expecting) what was read did nothing. Read it again, and decide again.
    pub fn is_stale(&self) -> bool {
        matches!(*self.0, Kind::Stale { .. })
    }

    /// A text that is no cursor was given as one, or the cursor of another list.
    pub fn is_cursor(&self) -> bool {
        matches!(*self.0, Kind::Cursor(_))
    }

    /// The name of a portfolio or the identifier of an execution is taken.
    pub fn is_unique_violation(&self) -> bool {
        self.engine().is_some_and(tallybook_engine::Error::is_unique_violation)
    }

    /// A row refers to one that does not exist, or one that others refer to was deleted.
    pub fn is_foreign_key_violation(&self) -> bool {
        self.engine().is_some_and(tallybook_engine::Error::is_foreign_key_violation)
    }

    /// The constraint that a write broke, by its name, where the database tells: on SQLite a `CHECK` or a unique index.
    pub fn constraint(&self) -> Option<&str> {
        self.engine().and_then(tallybook_engine::Error::constraint)
    }

    /// A value can't be stored unchanged: too long, too many digits, nanoseconds. The message names the
    /// field.
    pub fn is_invalid_value(&self) -> bool {
        self.engine().is_some_and(tallybook_engine::Error::is_invalid_value)
    }

    /// The same call may succeed when tried again.
    pub fn is_retryable(&self) -> bool {
        self.engine().is_some_and(tallybook_engine::Error::is_retryable)
    }
}

impl From<tallybook_engine::Error> for Error {
    fn from(error: tallybook_engine::Error) -> Self {
        Self(Box::new(Kind::Engine(error)))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Engine(error) => error.fmt(f),
            kind => write!(f, "Error({kind})"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
