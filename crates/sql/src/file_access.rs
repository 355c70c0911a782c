//! Location of an SQLite database, and the options for opening its file.

use std::path::PathBuf;
use std::time::Duration;

/// Default time that a statement waits for a locked file.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The location of an SQLite database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqliteLocation {
    /// In memory, shared by all connections of one connector.
    Memory,
    /// In a file.
    File(PathBuf),
}

/// The options for opening a database file.
#[derive(Clone, Copy, Debug)]
pub struct FileAccess {
    /// Creation and write access.
    pub mode: OpenMode,
    /// Time that a statement waits for a lock of another connection.
    pub busy_timeout: Duration,
}

impl FileAccess {
    /// Returns read-only access with the default time-out.
    pub fn to_look() -> Self {
        Self { mode: OpenMode::ReadOnly, busy_timeout: BUSY_TIMEOUT }
    }
}

/// Creation and write access of a database file: SQLite's `mode=rwc`, `rw` and `ro`. PostgreSQL ignores it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpenMode {
    /// Creates the file if it does not exist.
    #[default]
    Create,
    /// Fails if the file does not exist: a mistyped path is an error, not an empty database.
    Existing,
    /// Like [`OpenMode::Existing`], and writes fail. The file keeps its journal mode and its write-ahead log. The user
    /// needs no permission to write to it.
    ReadOnly,
}
