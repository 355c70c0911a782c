//! The book's revisions: `0001` its five tables as Alembic made them, `0002` what makes them fast.
//!
//! A revision that was released is never edited: databases have it.

mod alembic;
mod optimisation;
mod tables;

use tallybook_engine::Database;
use tallybook_engine::migrate::{Change, Goal, Migrator, Revision};

use crate::error::Result;

pub use alembic::ALEMBIC;

/// All revisions of the book, oldest first.
pub const REVISIONS: &[Revision] = &[tables::REVISION, optimisation::REVISION];

/// The runner of the book's revisions.
pub fn migrator(db: &Database) -> Migrator<'_> {
    Migrator::new(db, REVISIONS)
}

/// Applies all revisions that are not applied yet, and returns them.
///
/// # Errors
/// The step that failed and why; what was done before it stays, and the next run goes on from there.
pub async fn upgrade(db: &Database) -> Result<Vec<Change>> {
    Ok(migrator(db).upgrade(&Goal::Head).await?)
}
