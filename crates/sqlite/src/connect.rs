//! Opening connections to SQLite.

use std::fs;
use std::io::ErrorKind;
use std::path::{self, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection as Sqlite, ErrorCode, OpenFlags};
use tallybook_sql::driver::Role;
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::lock::lock;
use tokio::task::spawn_blocking;

use super::Connection;
use super::checkpoint::{LARGE_LOG_BYTES, shorten};
use super::error::convert;
use super::file::DatabaseFile;
use super::functions;
use super::pipeline::set_stable_plans;
use crate::config::{FileAccess, OpenMode, SqliteLocation};

/// Busy time-out of the migration runner within SQLite. The runner itself retries until its deadline.
const MIGRATION_BUSY_TIMEOUT: Duration = Duration::from_millis(50);
/// Bytes of a file that readers map into memory, where reading a page needs no system call: the maximum of SQLite.
const MMAP_BYTES: i64 = 0x7fff_0000;
/// Statements kept prepared on a connection.
const PREPARED: usize = 256;

static MEMORIES: AtomicU64 = AtomicU64::new(0);

/// A database in memory, shared by the connections of one [`Connector`].
///
/// SQLite's `memdb` VFS shares it by name within the process. It has the locks of a file but no WAL: reads wait while a
/// write transaction is open.
#[derive(Clone, Debug)]
struct Memory {
    name: Arc<str>,
    /// Connection that keeps the database alive: SQLite drops it with its last connection, and pools replace theirs.
    keeper: Arc<Mutex<Option<Sqlite>>>,
}

impl Memory {
    fn new() -> Self {
        let number = MEMORIES.fetch_add(1, Ordering::Relaxed);
        let name = format!("file:/tallybook-{number}?vfs=memdb").into();
        Self { name, keeper: Arc::default() }
    }

    fn open(&self, flags: OpenFlags) -> rusqlite::Result<Sqlite> {
        let mut keeper = lock(&self.keeper);
        if keeper.is_none() {
            *keeper = Some(Sqlite::open_with_flags(&*self.name, flags)?);
        }
        Sqlite::open_with_flags(&*self.name, flags)
    }
}

/// Opens connections to one database.
#[derive(Clone, Debug)]
pub struct Connector(Location);

#[derive(Clone, Debug)]
enum Location {
    Memory(Memory),
    File { file: Arc<DatabaseFile>, access: FileAccess },
}

impl Connector {
    /// Returns a connector. Opens nothing.
    pub fn new(location: &SqliteLocation, access: FileAccess) -> Self {
        match location {
            SqliteLocation::Memory => Self(Location::Memory(Memory::new())),
            // The working directory may change before the next connection opens.
            SqliteLocation::File(path) => {
                let path = path::absolute(path).unwrap_or_else(|_| path.clone());
                Self(Location::File { file: Arc::new(DatabaseFile::new(path)), access })
            }
        }
    }

    /// Opens a connection, on a thread of its own.
    pub async fn connect(&self, role: Role) -> Result<Connection> {
        let connector = self.clone();
        let file = match &self.0 {
            Location::Memory(_) => None,
            Location::File { file, .. } => Some(Arc::clone(file)),
        };
        let wants_wal = file.is_some() && !self.is_read_only();
        Connection::spawn(file, wants_wal, self.busy_timeout(role), role, move || connector.open(role)).await
    }

    /// Returns the path of the file, and whether it is opened for writing; `None` for a database in memory.
    pub fn lockable(&self) -> Option<(&Path, bool)> {
        match &self.0 {
            Location::Memory(_) => None,
            Location::File { file, .. } => Some((file.path(), !self.is_read_only())),
        }
    }

    /// Returns the time that a connection waits for a lock of another.
    fn busy_timeout(&self, role: Role) -> Duration {
        match (&self.0, role) {
            (Location::File { .. }, Role::Migrate) => MIGRATION_BUSY_TIMEOUT,
            (Location::File { access, .. }, _) => access.busy_timeout,
            (Location::Memory(_), _) => FileAccess::to_look().busy_timeout,
        }
    }

    /// Returns the path of the file, for messages.
    pub fn target(&self) -> String {
        match &self.0 {
            Location::Memory(_) => "sqlite::memory:".to_owned(),
            Location::File { file, .. } => file.path().display().to_string(),
        }
    }

    fn is_read_only(&self) -> bool {
        matches!(self.0, Location::File { access: FileAccess { mode: OpenMode::ReadOnly, .. }, .. })
    }

    /// Returns the problem with the file, if it was deleted, replaced or moved.
    pub fn fault(&self) -> Option<String> {
        match &self.0 {
            Location::Memory(_) => None,
            Location::File { file, .. } => file.fault(),
        }
    }

    /// Returns the size of the write-ahead log, in bytes; `None` for a database in memory.
    pub fn log_size(&self) -> Option<u64> {
        match &self.0 {
            Location::Memory(_) => None,
            Location::File { file, .. } => Some(file.log_size()),
        }
    }

    /// Checkpoints the write-ahead log if it is larger than 16 MiB.
    pub async fn shorten_log(&self) -> Result<()> {
        let Location::File { file, .. } = &self.0 else { return Ok(()) };
        if self.is_read_only() {
            return Ok(());
        }
        if file.log_size() < LARGE_LOG_BYTES {
            file.set_backlog(false);
            return Ok(());
        }
        let (connector, file) = (self.clone(), Arc::clone(file));
        let shortened = spawn_blocking(move || shorten(&connector.open(Role::Read)?, &file).map_err(convert));
        shortened.await.unwrap_or_else(|_| Err(Error::new(ErrorDetail::Lost)))
    }

    fn open(&self, role: Role) -> Result<Sqlite> {
        let explain = |error| Error::connect(self.target(), explain(&error)).with_source(convert(error));
        let ready = |opened: rusqlite::Result<Sqlite>| {
            let sqlite = opened.map_err(explain)?;
            self.prepare(&sqlite, role).map_err(explain)?;
            Ok(sqlite)
        };
        match &self.0 {
            Location::Memory(memory) => ready(memory.open(
                OpenFlags::SQLITE_OPEN_READ_WRITE
                    | OpenFlags::SQLITE_OPEN_CREATE
                    | OpenFlags::SQLITE_OPEN_NO_MUTEX
                    | OpenFlags::SQLITE_OPEN_URI,
            )),
            Location::File { file, access } => file.open(|may_make| {
                let mut flags = check_file(file.path(), access.mode)?;
                flags.set(
                    OpenFlags::SQLITE_OPEN_CREATE,
                    may_make && flags.contains(OpenFlags::SQLITE_OPEN_CREATE),
                );
                ready(Sqlite::open_with_flags(file.path(), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX))
            }),
        }
    }

    /// Configures a connection: durable commits, readers concurrent with the writer, foreign keys; readers can't write.
    fn prepare(&self, sqlite: &Sqlite, role: Role) -> rusqlite::Result<()> {
        sqlite.busy_timeout(self.busy_timeout(role))?;
        if let Location::File { file, access: FileAccess { mode: OpenMode::ReadOnly, .. } } = &self.0 {
            // Leave the log of other connections alone: by default, the last connection to close moves it into the
            // file.
            let has_log = fs::metadata(sidecar_path(file.path(), "-wal")).is_ok_and(|log| log.len() > 0);
            sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log)?;
        }
        sqlite.set_prepared_statement_cache_capacity(PREPARED);
        rusqlite::vtab::array::load_module(sqlite)?;
        functions::register(sqlite)?;
        // Reads the header of the file, which finds a file that is not a database. A file opened read-only stays
        // unchanged.
        sqlite.query_row("PRAGMA schema_version", [], |_| Ok(()))?;
        set_stable_plans(sqlite, true)?;
        sqlite.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
        if matches!(role, Role::Read | Role::Inspect) || self.is_read_only() {
            sqlite.execute_batch("PRAGMA query_only = ON;")?;
            sqlite.pragma_update(None, "mmap_size", MMAP_BYTES)?;
        }
        Ok(())
    }
}

/// Returns the path of one of the files that SQLite keeps next to the database.
fn sidecar_path(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Returns the flags for opening a file, or the reason why it can't be opened: SQLite would only say "unable to open
/// database file".
///
/// A file without write permission is refused to the superuser too, whom the permission does not stop.
fn check_file(path: &Path, mode: OpenMode) -> Result<OpenFlags> {
    let refuse = |problem: String| Err(Error::connect(path.display().to_string(), problem));
    match fs::metadata(path) {
        Ok(file) if file.is_dir() => refuse("it is a directory".to_owned()),
        Ok(file) if !file.is_file() => refuse("it is not a regular file".to_owned()),
        Ok(file) if file.permissions().readonly() && mode == OpenMode::ReadOnly => {
            Ok(OpenFlags::SQLITE_OPEN_READ_ONLY)
        }
        Ok(file) if file.permissions().readonly() => {
            refuse("the file is read-only; allow writing (chmod u+w), or use a copy".to_owned())
        }
        Ok(_) => Ok(OpenFlags::SQLITE_OPEN_READ_WRITE),
        Err(_) => match missing(path) {
            Some(problem) => refuse(problem),
            None if mode == OpenMode::Create => {
                Ok(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
            }
            None => refuse(
                "the file does not exist, and nothing was created. A path after three slashes is relative to the \
                 working directory, after four it is absolute: correct it, or make a new book with `tallybook \
                 migrate upgrade`"
                    .to_owned(),
            ),
        },
    }
}

/// Returns the reason why a missing file can't be created either.
fn missing(path: &Path) -> Option<String> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match fs::metadata(parent) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Some(format!("the directory {} does not exist; create it first", parent.display()));
        }
        Err(error) => return Some(format!("the directory {} can't be looked at: {error}", parent.display())),
        Ok(found) if !found.is_dir() => return Some(format!("{} is not a directory", parent.display())),
        Ok(_) => {}
    }
    match (fs::symlink_metadata(path), fs::read_link(path)) {
        (Ok(_), Ok(to)) => {
            Some(format!("it is a symbolic link to {}, which does not exist; correct the link", to.display()))
        }
        (Err(error), _) if error.kind() != ErrorKind::NotFound => {
            Some(format!("it can't be looked at: {error}"))
        }
        _ => None,
    }
}

fn explain(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            "the file is not an SQLite database; it was left as it is".to_owned()
        }
        Some(ErrorCode::CannotOpen) => {
            "it can't be opened; may this user read and write it and its directory? A log is kept there"
                .to_owned()
        }
        Some(ErrorCode::DatabaseBusy) => "another process keeps it locked".to_owned(),
        _ => error.to_string(),
    }
}
