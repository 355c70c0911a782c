//! Shortening a log that has grown.
//!
//! SQLite moves its log into the file with a commit every 1,000 pages, and begins the log anew; a read that lasts keeps it
//! from both, so the log grows. What has piled up then is moved by a connection made for that, while readers and writers
//! go on: the writer leaves it alone until little is left.

use rusqlite::Connection as Sqlite;

use super::file::DatabaseFile;

/// A log beyond this size, in bytes, has grown; one that is begun anew is cut to it.
pub(super) const LARGE: u64 = 16 << 20;
/// Pages that a commit may move into the file, SQLite's own measure.
const FEW: i64 = 1_000;
/// How often what was written meanwhile is moved too.
const ROUNDS: u32 = 5;

/// Moves what nobody needs in the log any more into the file, and cuts the log off if that is all. Waits for no lock.
pub(super) fn shorten(sqlite: &Sqlite, file: &DatabaseFile) -> rusqlite::Result<()> {
    let checkpoint = |mode: &str| {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        sqlite.query_row(&sql, [], |row| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))
    };
    sqlite.busy_timeout(std::time::Duration::ZERO)?;
    let mut moved_before = -1;
    for _ in 0..ROUNDS {
        let (pages, moved) = checkpoint("PASSIVE")?;
        if pages - moved <= FEW {
            file.set_backlog(false);
            // Writers wait while the last pages are moved. It does nothing if somebody writes or reads just now.
            return checkpoint("TRUNCATE").map(drop);
        }
        if moved == moved_before {
            // A read is in the way.
            file.set_backlog(true);
            return Ok(());
        }
        moved_before = moved;
    }
    // The writers are faster. They help.
    file.set_backlog(false);
    Ok(())
}

/// Leaves the checkpoints to [`shorten`], or has commits make them.
pub(super) fn leave_checkpoints(sqlite: &Sqlite, leave: bool) -> rusqlite::Result<()> {
    sqlite.pragma_update(None, "wal_autocheckpoint", if leave { 0 } else { FEW })
}
