//! Detects the kind of database, so that a program does not write into one that is not its own.

use std::future::Future;

use tallybook_core::{Database, Statement, all, params};

use crate::revisions::migrator;
use tallybook_tables::tables::Result;

const TABLES: Statement = Statement::per_dialect(
    "SELECT table_name::text FROM information_schema.tables \
     WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name",
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
);

/// The content of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inspection {
    /// No tables.
    Nothing,
    /// A book, created by this program's revisions.
    Book,
    /// These tables, and no book.
    Other(Vec<String>),
}

/// Detects whether a database is empty, a book, or something else. Read-only.
///
/// # Errors
/// Returns an error if the database has revisions that this program does not know.
#[track_caller]
pub fn inspect(db: &Database) -> impl Future<Output = Result<Inspection>> + Send {
    let session = db.read();
    let tables = all::<(String,)>(TABLES, params![]);
    async move {
        if migrator(db).current().await?.is_some() {
            return Ok(Inspection::Book);
        }
        let tables = session.await?.run(tables).await?;
        let others: Vec<_> =
            tables.into_iter().map(|(name,)| name).filter(|name| !name.starts_with("tallybook_")).collect();
        Ok(if others.is_empty() { Inspection::Nothing } else { Inspection::Other(others) })
    }
}
