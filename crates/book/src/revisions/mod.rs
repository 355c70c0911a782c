//! The book's revisions: `0001` creates its five tables as Alembic did, `0002` adds what makes them fast,
//! `0003` what recording fills needs, and the order in which trades changed.
//!
//! A released revision is never edited, since databases have it.

mod alembic;
mod optimisation;
mod recording;
mod tables;

use tallybook_core::Database;
use tallybook_migrate::{Change, Migrator, Revision, Target};

use tallybook_tables::tables::Result;

pub use alembic::ALEMBIC;

/// All revisions of the book, oldest first.
pub const REVISIONS: &[Revision] = &[tables::REVISION, optimisation::REVISION, recording::REVISION];

/// Creates the migrator of the book's revisions.
pub fn migrator(db: &Database) -> Migrator<'_> {
    Migrator::new(db, REVISIONS)
}

/// Applies all missing revisions and returns them.
///
/// # Errors
/// The error names the step that failed, and why. Steps completed before it stay, and the next call continues
/// there.
pub async fn upgrade(db: &Database) -> Result<Vec<Change>> {
    // On the heap, so that the futures of callers stay small.
    Ok(Box::pin(migrator(db).upgrade(&Target::Head)).await?)
}
