//! The journal mode of a file: SQLite's write-ahead log, whose flushing the driver takes over, or another one.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection as Sqlite, ErrorCode};
use tallybook_sql::error::{Error, Result};

use super::checkpoint::LARGE_LOG_BYTES;
use super::error::convert;
use super::file::DatabaseFile;
use super::wal::{Wal, rewrite};

/// Interval of retries where SQLite itself does not wait.
const BUSY_INTERVAL: Duration = Duration::from_millis(10);

/// Switches a file to WAL mode before the first write to it, and takes over the flushing of the log. Returns `None` if
/// SQLite keeps another journal mode, in which it flushes itself.
pub(super) fn enable_wal(
    sqlite: &Sqlite,
    database: &Arc<DatabaseFile>,
    busy_timeout: Duration,
) -> Result<Option<Wal>> {
    if switch_to_wal(sqlite, busy_timeout).map_err(convert)? != "wal" {
        return Ok(None);
    }
    // The first read creates the log's file.
    sqlite.query_row("PRAGMA schema_version", [], |_| Ok(())).map_err(convert)?;
    let Some(path) = sqlite.path().map(|path| PathBuf::from(format!("{path}-wal"))) else { return Ok(None) };
    let Ok(file) = File::options().read(true).write(true).open(&path) else { return Ok(None) };
    let failed_before = database.repair_flushes(|| repair(sqlite, &file, database))?;
    let Ok(log) = Wal::new(file, path, Arc::clone(database), failed_before) else { return Ok(None) };
    sqlite.execute_batch("PRAGMA synchronous = NORMAL").map_err(convert)?;
    sqlite.pragma_update(None, "journal_size_limit", LARGE_LOG_BYTES as i64).map_err(convert)?;
    Ok(Some(log))
}

/// Returns whether a statement has switched the file to another journal mode, in which SQLite flushes from now on.
pub(super) fn left_wal_mode(sqlite: &Sqlite) -> rusqlite::Result<bool> {
    let journal: String = sqlite.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if journal == "wal" {
        return Ok(false);
    }
    sqlite.execute_batch("PRAGMA synchronous = FULL").map(|()| true)
}

/// Writes and flushes the log again after a failed flush, while nobody else writes to it.
fn repair(sqlite: &Sqlite, log: &File, database: &DatabaseFile) -> Result<()> {
    sqlite.execute_batch("BEGIN IMMEDIATE").map_err(convert)?;
    let written = rewrite(log);
    sqlite.execute_batch("ROLLBACK").map_err(convert)?;
    written.map_err(|error| {
        Error::connect(database.path().display().to_string(), "its write-ahead log can't be flushed")
            .with_source(error)
    })
}

/// Switches to WAL mode. If several connections switch at once, SQLite refuses all but one without regard to the busy
/// time-out, for fear of a deadlock. There is none here, so this waits.
fn switch_to_wal(sqlite: &Sqlite, busy_timeout: Duration) -> rusqlite::Result<String> {
    let deadline = Instant::now() + busy_timeout;
    loop {
        match sqlite.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < deadline =>
            {
                thread::sleep(BUSY_INTERVAL);
            }
            outcome => return outcome,
        }
    }
}
