//! The error type of the book.

use std::fmt;

use chrono::{DateTime, Utc};

/// An error of the book: one that the [database layer](tallybook_core::Error) reports, a missing or changed row,
/// or an invalid cursor.
pub struct Error(Box<Kind>);

/// The result of a call to the book.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error(transparent)]
    Database(#[from] tallybook_core::Error),
    #[error("there is no {noun} {id}")]
    NotFound { noun: &'static str, id: i64 },
    #[error(
        "{noun} {id} was changed since it was read: its updated_at is {found}, not {expected}; read it again and decide \
         again"
    )]
    Stale { noun: &'static str, id: i64, expected: DateTime<Utc>, found: DateTime<Utc> },
    #[error("{0:?} is not a cursor of this list; pass the cursor of one of its pages unchanged")]
    Cursor(String),
}

/// Maximum number of characters quoted of an invalid cursor.
const MAX_QUOTED: usize = 100;

impl Error {
    pub(crate) fn not_found(noun: &'static str, id: i64) -> Self {
        Self(Box::new(Kind::NotFound { noun, id }))
    }

    pub(crate) fn stale(noun: &'static str, id: i64, expected: DateTime<Utc>, found: DateTime<Utc>) -> Self {
        Self(Box::new(Kind::Stale { noun, id, expected, found }))
    }

    pub(crate) fn cursor(text: &str) -> Self {
        // The text may come from anywhere and have any length.
        Self(Box::new(Kind::Cursor(text.chars().take(MAX_QUOTED).collect())))
    }

    /// Returns the error of the database layer, if it is one.
    pub fn database(&self) -> Option<&tallybook_core::Error> {
        match &*self.0 {
            Kind::Database(error) => Some(error),
            _ => None,
        }
    }

    /// Returns whether the row to update does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(*self.0, Kind::NotFound { .. })
    }

    /// Returns whether an update or deletion did nothing because the row was changed after the version that it was
    /// [`expecting`](crate::Update::expecting). Read it again and decide again.
    pub fn is_stale(&self) -> bool {
        matches!(*self.0, Kind::Stale { .. })
    }

    /// Returns whether a text is not a cursor, or the cursor of another list.
    pub fn is_cursor(&self) -> bool {
        matches!(*self.0, Kind::Cursor(_))
    }

    /// Returns whether the name of a portfolio or the identifier of an execution is taken.
    pub fn is_unique_violation(&self) -> bool {
        self.database().is_some_and(tallybook_core::Error::is_unique_violation)
    }

    /// Returns whether a row refers to one that does not exist, or a row that others refer to was to be deleted.
    pub fn is_foreign_key_violation(&self) -> bool {
        self.database().is_some_and(tallybook_core::Error::is_foreign_key_violation)
    }

    /// Returns the name of the violated constraint, if the database reports it; SQLite does so for `CHECK`
    /// constraints and unique indexes.
    pub fn constraint(&self) -> Option<&str> {
        self.database().and_then(tallybook_core::Error::constraint)
    }

    /// Returns whether a value cannot be stored unchanged: it is too long, has too many digits, or has
    /// nanoseconds. The message names the field.
    pub fn is_invalid_value(&self) -> bool {
        self.database().is_some_and(tallybook_core::Error::is_invalid_value)
    }

    /// Returns whether the same call may succeed if repeated.
    pub fn is_retryable(&self) -> bool {
        self.database().is_some_and(tallybook_core::Error::is_retryable)
    }
}

impl From<tallybook_core::Error> for Error {
    fn from(error: tallybook_core::Error) -> Self {
        Self(Box::new(Kind::Database(error)))
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
            Kind::Database(error) => error.fmt(f),
            kind => write!(f, "Error({kind})"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
