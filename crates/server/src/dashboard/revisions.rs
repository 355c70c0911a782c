//! The revisions of the book and of the service.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tallybook::migrate::{HistoryEntry, Migrator};
use tallybook::{Database, book};

use crate::request::Problem;
use crate::revisions;

/// The revisions that are applied, and those that are not.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Revisions {
    histories: Vec<History>,
}

#[derive(Clone, Debug, Serialize)]
struct History {
    name: &'static str,
    applied: Vec<Applied>,
    pending: Vec<Pending>,
}

#[derive(Clone, Debug, Serialize)]
struct Applied {
    id: &'static str,
    name: &'static str,
    applied_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Serialize)]
struct Pending {
    id: &'static str,
    name: &'static str,
}

impl Revisions {
    /// Reads them. A history of which nothing is applied is left out: the program may not use those tables.
    pub(super) async fn read(db: &Database) -> Result<Self, Problem> {
        let book = History::read("the book", &book::migrator(db)).await?;
        let service = History::read("the service", &revisions::migrator(db)).await?;
        Ok(Self {
            histories: [book, service].into_iter().filter(|history| !history.applied.is_empty()).collect(),
        })
    }

    /// Returns the numbers of applied and of pending revisions.
    pub(super) fn counts(&self) -> (usize, usize) {
        let sum = |count: fn(&History) -> usize| self.histories.iter().map(count).sum();
        (sum(|history| history.applied.len()), sum(|history| history.pending.len()))
    }
}

impl History {
    async fn read(name: &'static str, migrator: &Migrator<'_>) -> Result<Self, Problem> {
        let entries = migrator.history().await?;
        let (mut applied, mut pending) = (Vec::new(), Vec::new());
        for HistoryEntry { id, name, applied_at, .. } in entries {
            match applied_at {
                Some(applied_at) => applied.push(Applied { id, name, applied_at }),
                None => pending.push(Pending { id, name }),
            }
        }
        Ok(Self { name, applied, pending })
    }
}
