//! Names of histories: several independent sets of revisions in one database.
//!
//! All share the same tables. Identifiers of the main history are stored bare, as they were before histories had
//! names; those of a history `desk` are stored as `desk/0001`. An older program does not know such an identifier
//! and reports that, instead of mistaking it for one of its own.

use tallybook_sql::error::{Error, Result};

use crate::steps::revision::Revision;

/// The name of the history that [`Migrator::new`](crate::Migrator::new) works on: that of the book, and of
/// programs with a single history.
pub const DEFAULT_HISTORY: &str = "main";

/// Separates the name of a history from the identifier of a revision.
const SEPARATOR: char = '/';
/// The widths of the columns, in characters.
const MAX_ID: usize = 64;
const MAX_NAME: usize = 255;

/// The name of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HistoryName<'a>(pub(crate) &'a str);

impl<'a> HistoryName<'a> {
    /// Returns the stored form of a revision's identifier.
    pub(crate) fn stored(self, id: &str) -> String {
        if self.0 == DEFAULT_HISTORY { id.to_owned() } else { format!("{}{SEPARATOR}{id}", self.0) }
    }

    /// Replaces a stored identifier by the bare one if it belongs to this history. Returns whether it does.
    pub(crate) fn strip_from(self, stored: &mut String) -> bool {
        let (name, id) = split_id(stored);
        let (is_ours, id) = (name == self.0, id.to_owned());
        if is_ours {
            *stored = id;
        }
        is_ours
    }

    /// Returns " of the history …" for messages; empty for the main history.
    pub(crate) fn suffix(self) -> String {
        if self.0 == DEFAULT_HISTORY { String::new() } else { format!(" of the history {}", self.0) }
    }

    /// Checks that the name and the identifiers are valid and distinct.
    pub(crate) fn check(self, revisions: &[Revision]) -> Result<()> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        if self.0.is_empty() || !self.0.chars().all(is_plain) {
            return Err(Error::revision(format!(
                "{:?} is not a valid name of a history; a name consists of a to z, 0 to 9, _ and -",
                self.0
            )));
        }
        for (index, revision) in revisions.iter().enumerate() {
            let id = revision.id;
            let problem = if id.is_empty() {
                "is empty"
            } else if id.contains(SEPARATOR) {
                "contains a slash, which separates the name of a history from a revision"
            } else if self.stored(id).chars().count() > MAX_ID {
                "is longer than 64 characters, with the name of its history"
            } else if revision.name.chars().count() > MAX_NAME {
                "has a name of more than 255 characters"
            } else if revisions[..index].iter().any(|other| other.id == id) {
                "occurs twice"
            } else {
                continue;
            };
            return Err(Error::revision(format!("the revision {id:?}{} {problem}", self.suffix())));
        }
        Ok(())
    }
}

/// Splits a stored identifier into history and revision.
pub(crate) fn split_id(stored: &str) -> (&str, &str) {
    stored.split_once(SEPARATOR).unwrap_or((DEFAULT_HISTORY, stored))
}
