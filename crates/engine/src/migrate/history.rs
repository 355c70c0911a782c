//! The table that records what is applied.

use chrono::{DateTime, Utc};

use super::Revision;
use crate::driver::{Bounds, Connection};
use crate::error::{Error, Result};
use crate::query::{Batch, Execute, all, execute, one};
use crate::statement::Statement;
use crate::value::now;
use crate::{Row, params};

const EXISTS: Statement = Statement::per_engine(
    "SELECT to_regclass('tallybook_revisions') IS NOT NULL",
    "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'tallybook_revisions')",
);

const CREATE: Statement = Statement::new(
    "CREATE TABLE IF NOT EXISTS tallybook_revisions (\
       id varchar(64) NOT NULL PRIMARY KEY, name varchar(255) NOT NULL, applied_at timestamp NOT NULL)",
);

/// A revision that this program knows, and when it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its identifier.
    pub id: &'static str,
    /// What it is about.
    pub name: &'static str,
    /// When it was applied; `None` if it is not.
    pub applied_at: Option<DateTime<Utc>>,
}

#[derive(Row)]
struct Record {
    id: String,
    applied_at: DateTime<Utc>,
}

/// Makes sure that the table is there.
pub(super) async fn create(connection: &mut Connection) -> Result<()> {
    connection.fly(execute(CREATE, params![]), Bounds::default()).await.map(drop)
}

/// What is applied, beside what this program knows.
///
/// # Errors
/// When the database has a revision that this program does not know, or one is missing in between.
pub(super) async fn read(connection: &mut Connection, revisions: &[Revision]) -> Result<Vec<Entry>> {
    let (exists,) = connection.fly(one::<(bool,)>(EXISTS, params![]), Bounds::default()).await?.finish()?;
    let records = if exists {
        let query = all::<Record>("SELECT id, applied_at FROM tallybook_revisions ORDER BY id", params![]);
        connection.fly(query, Bounds::default()).await?.finish()?
    } else {
        Vec::new()
    };
    if let Some(unknown) =
        records.iter().find(|record| revisions.iter().all(|revision| revision.id != record.id))
    {
        return Err(Error::revision(format!(
            "the database is at revision {:?}, which this program does not know; use a newer program",
            unknown.id
        )));
    }
    let entries: Vec<Entry> = revisions
        .iter()
        .map(|revision| Entry {
            id: revision.id,
            name: revision.name,
            applied_at: records
                .iter()
                .find(|record| record.id == revision.id)
                .map(|record| record.applied_at),
        })
        .collect();
    let applied = applied(&entries);
    if let Some(entry) = entries[applied..].iter().find(|entry| entry.applied_at.is_some()) {
        return Err(Error::revision(format!(
            "revision {:?} is applied but {:?} before it is not; repair tallybook_revisions first",
            entry.id, entries[applied].id
        )));
    }
    Ok(entries)
}

/// How many are applied, counted from the first.
pub(super) fn applied(entries: &[Entry]) -> usize {
    entries.iter().take_while(|entry| entry.applied_at.is_some()).count()
}

/// The statement that records a revision as applied.
pub(super) fn record(revision: &Revision) -> Execute {
    execute(
        "INSERT INTO tallybook_revisions (id, name, applied_at) VALUES ($1, $2, $3)",
        params![revision.id, revision.name, now()],
    )
}

/// The statement that records a revision as rolled back.
pub(super) fn erase(revision: &Revision) -> Execute {
    execute("DELETE FROM tallybook_revisions WHERE id = $1", params![revision.id])
}
