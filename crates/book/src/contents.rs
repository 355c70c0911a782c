//! What a database holds, so that a program does not write into one that is not its own.

use std::future::Future;

use tallybook_engine::{Database, Statement, all, params};

use crate::error::Result;
use crate::revisions::migrator;

const TABLES: Statement = Statement::per_engine(
    "SELECT table_name::text FROM information_schema.tables \
     WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name",
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
);

/// What a database holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contents {
    /// No table at all.
    Nothing,
    /// A book, made by this program's revisions.
    Book,
    /// These tables, and no book.
    Other(Vec<String>),
}

/// Looks what a database holds, and changes nothing.
///
/// # Errors
/// What the database reports, or a book with revisions that this program does not know.
#[track_caller]
pub fn contents(db: &Database) -> impl Future<Output = Result<Contents>> + Send {
    let session = db.read();
    let tables = all::<(String,)>(TABLES, params![]);
    async move {
        if migrator(db).current().await?.is_some() {
            return Ok(Contents::Book);
        }
        let tables = session.await?.run(tables).await?;
        let others: Vec<_> =
            tables.into_iter().map(|(name,)| name).filter(|name| !name.starts_with("tallybook_")).collect();
        Ok(if others.is_empty() { Contents::Nothing } else { Contents::Other(others) })
    }
}
