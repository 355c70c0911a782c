//! The error type of tables.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::table::Table;
use crate::unknown_relation::UnknownRelation;

/// An error of a table: one that the [database layer](tallybook_core::Error) reports, a missing or changed row, a row
/// whose parent is missing, an invalid cursor, or an unknown relation.
pub struct Error(Box<Kind>);

/// The result of a call to a repository.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error(transparent)]
    Database(#[from] tallybook_core::Error),
    #[error("there is no {noun} {id}")]
    NotFound { noun: &'static str, id: String },
    #[error(
        "{noun} {id} was changed since it was read: its updated_at is {found}, not {expected}; read it again and decide \
         again"
    )]
    Stale { noun: &'static str, id: String, expected: DateTime<Utc>, found: DateTime<Utc> },
    #[error(
        "{noun} {id} refers to {parent} {parent_id}, which does not exist; other programs can write so on SQLite"
    )]
    MissingParent { noun: &'static str, id: String, parent: &'static str, parent_id: String },
    #[error("{0:?} is not a cursor of this list; pass the cursor of one of its pages unchanged")]
    Cursor(String),
    #[error(transparent)]
    UnknownRelation(UnknownRelation),
}

/// Maximum number of characters quoted of an invalid cursor.
const MAX_QUOTED: usize = 100;

impl Error {
    /// Returns the error that there is no row of `T` with this identifier: for methods of one's own that need the row.
    pub fn missing<T: Table>(id: impl fmt::Display) -> Self {
        Self::not_found(T::NOUN, id)
    }

    pub(crate) fn not_found(noun: &'static str, id: impl fmt::Display) -> Self {
        Self(Box::new(Kind::NotFound { noun, id: id.to_string() }))
    }

    pub(crate) fn stale<T: Table>(row: &T, expected: DateTime<Utc>) -> Self {
        let found = row.updated_at().unwrap_or(expected);
        Self(Box::new(Kind::Stale { noun: T::NOUN, id: row.id().to_string(), expected, found }))
    }

    pub(crate) fn no_parent<T: Table, P: Table>(row: &T) -> Self {
        let problem = format!("{} {} belongs to no {}; make the field an Option", T::NOUN, row.id(), P::NOUN);
        tallybook_core::Error::invalid_value(P::NOUN, problem).into()
    }

    pub(crate) fn missing_parent<T: Table, P: Table>(row: &T, parent: P::Key) -> Self {
        Self(Box::new(Kind::MissingParent {
            noun: T::NOUN,
            id: row.id().to_string(),
            parent: P::NOUN,
            parent_id: parent.to_string(),
        }))
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

    /// Returns the error of the database layer, or this error if it is another one.
    ///
    /// # Errors
    /// This error, if the database layer did not report it.
    pub fn into_database(self) -> std::result::Result<tallybook_core::Error, Self> {
        match *self.0 {
            Kind::Database(error) => Ok(error),
            kind => Err(Self(Box::new(kind))),
        }
    }

    /// Returns whether the row to update does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(*self.0, Kind::NotFound { .. })
    }

    /// Returns whether a row refers to one that does not exist, so that it cannot be loaded with its parent.
    pub fn is_missing_parent(&self) -> bool {
        matches!(*self.0, Kind::MissingParent { .. })
    }

    /// Returns whether an update or deletion did nothing because the row was changed after the version that it was
    /// [`expecting`](crate::tables::Update::expecting). Read it again and decide again.
    pub fn is_stale(&self) -> bool {
        matches!(*self.0, Kind::Stale { .. })
    }

    /// Returns whether a text is not a cursor, or the cursor of another list.
    pub fn is_cursor(&self) -> bool {
        matches!(*self.0, Kind::Cursor(_))
    }

    /// Returns the error of an [`Include`](crate::tables::Include), if it is one: a path that cannot be included.
    pub fn unknown_relation(&self) -> Option<&UnknownRelation> {
        match &*self.0 {
            Kind::UnknownRelation(unknown) => Some(unknown),
            _ => None,
        }
    }

    /// Returns whether a unique value is taken, such as the name of a portfolio.
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

impl From<UnknownRelation> for Error {
    fn from(unknown: UnknownRelation) -> Self {
        Self(Box::new(Kind::UnknownRelation(unknown)))
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
