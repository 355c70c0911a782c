//! Checkpoints of a write-ahead log that has grown.
//!
//! A commit checkpoints every 1,000 pages, and SQLite then starts the log over. A long read blocks both, so the log
//! grows. Once it is large, a connection opened for the purpose moves its pages into the file while readers and writers
//! continue. Until little is left, commits leave the checkpoint to it.

use rusqlite::Connection as Sqlite;

use super::file::DatabaseFile;

/// Size in bytes from which a log counts as grown. SQLite truncates a log to this size when it starts it over.
pub(super) const LARGE_LOG_BYTES: u64 = 16 << 20;
/// Pages after which a commit checkpoints: SQLite's default.
const AUTOCHECKPOINT_PAGES: i64 = 1_000;
/// Maximum number of checkpoints in a row, each for the pages written during the last one.
const MAX_ROUNDS: u32 = 5;

/// Moves all pages that no reader needs into the file, and truncates the log if that leaves none. Waits for no lock.
pub(super) fn shorten(sqlite: &Sqlite, file: &DatabaseFile) -> rusqlite::Result<()> {
    let checkpoint = |mode: &str| {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        sqlite.query_row(&sql, [], |row| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))
    };
    sqlite.busy_timeout(std::time::Duration::ZERO)?;
    let mut moved_before = -1;
    for _ in 0..MAX_ROUNDS {
        let (pages, moved) = checkpoint("PASSIVE")?;
        if pages - moved <= AUTOCHECKPOINT_PAGES {
            file.set_backlog(false);
            // Writers wait while the last pages move. Does nothing if another connection is reading or writing now.
            return checkpoint("TRUNCATE").map(drop);
        }
        if moved == moved_before {
            // A reader blocks the checkpoint.
            file.set_backlog(true);
            return Ok(());
        }
        moved_before = moved;
    }
    // The writers are faster: let their commits checkpoint too.
    file.set_backlog(false);
    Ok(())
}

/// Leaves checkpoints to [`shorten`], or returns them to commits.
pub(super) fn leave_checkpoints(sqlite: &Sqlite, leave: bool) -> rusqlite::Result<()> {
    sqlite.pragma_update(None, "wal_autocheckpoint", if leave { 0 } else { AUTOCHECKPOINT_PAGES })
}
