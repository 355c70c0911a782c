//! Names of histories: several sets of revisions in one database, each with a history of its own.
//!
//! The tables of all are the same. The main history's identifiers are stored bare, as programs before this one stored
//! all, those of a history `desk` as `desk/0001`: an older program does not know such an identifier and says so,
//! instead of taking it for one of its own.

use super::revision::Revision;
use crate::error::{Error, Result};

/// The name of the history that [`Migrator::new`](super::Migrator::new) works on: that of the book, and of programs
/// that have one only.
pub const MAIN: &str = "main";

/// Stands between the name of a history and the identifier of a revision.
const SEPARATOR: char = '/';
/// What the columns hold, in characters.
const MAX_ID: usize = 64;
const MAX_NAME: usize = 255;

/// The name of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a>(pub(super) &'a str);

impl<'a> Name<'a> {
    /// The identifier of one of its revisions, as it is stored.
    pub(super) fn stored(self, id: &str) -> String {
        if self.0 == MAIN { id.to_owned() } else { format!("{}{SEPARATOR}{id}", self.0) }
    }

    /// Makes a stored identifier that of the revision; whether it is of this history.
    pub(super) fn take(self, stored: &mut String) -> bool {
        let (name, id) = parted(stored);
        let (is_ours, id) = (name == self.0, id.to_owned());
        if is_ours {
            *stored = id;
        }
        is_ours
    }

    /// For messages: nothing if it is the main history.
    pub(super) fn of(self) -> String {
        if self.0 == MAIN { String::new() } else { format!(" of the history {}", self.0) }
    }

    /// Whether the name and the identifiers can be stored and told apart.
    pub(super) fn check(self, revisions: &[Revision]) -> Result<()> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        if self.0.is_empty() || !self.0.chars().all(is_plain) {
            return Err(Error::revision(format!(
                "{:?} names no history; a name consists of a to z, 0 to 9, _ and -",
                self.0
            )));
        }
        for (index, revision) in revisions.iter().enumerate() {
            let id = revision.id;
            let problem = if id.is_empty() {
                "is empty"
            } else if id.contains(SEPARATOR) {
                "holds a slash, which stands between the name of a history and a revision"
            } else if self.stored(id).chars().count() > MAX_ID {
                "is longer than 64 characters, with the name of its history"
            } else if revision.name.chars().count() > MAX_NAME {
                "has a name of more than 255 characters"
            } else if revisions[..index].iter().any(|other| other.id == id) {
                "is there twice"
            } else {
                continue;
            };
            return Err(Error::revision(format!("the revision {id:?}{} {problem}", self.of())));
        }
        Ok(())
    }
}

/// The history and the revision of a stored identifier.
pub(super) fn parted(stored: &str) -> (&str, &str) {
    stored.split_once(SEPARATOR).unwrap_or((MAIN, stored))
}
