//! Opening an SQLite database.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{self, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection as Sqlite, ErrorCode, OpenFlags};
use tokio::task::spawn_blocking;

use super::Connection;
use super::checkpoint::{LARGE, shorten};
use super::error::convert;
use super::file::DatabaseFile;
use super::functions;
use super::log::{Log, write_again};
use crate::driver::Role;
use crate::error::{Error, Kind, Result};
use crate::settings::{FileAccess, OpenMode, SqliteLocation};

/// How long a runner of revisions waits within SQLite; it tries again by itself, until its deadline.
const RUNNER_BUSY_TIMEOUT: Duration = Duration::from_millis(50);
/// How often to look where SQLite itself does not wait.
const BUSY_INTERVAL: Duration = Duration::from_millis(10);
/// The part of a file, in bytes, that readers map into memory: its pages need no call of the system each. As much as
/// SQLite can.
const MAPPED: i64 = 0x7fff_0000;
/// Statements kept prepared on a connection.
const PREPARED: usize = 256;

static MEMORIES: AtomicU64 = AtomicU64::new(0);

/// A database in memory, by the name under which the connections of one [`Connector`] share it.
///
/// SQLite's `memdb` VFS shares it by that name within the process, with the locks of a file but without WAL:
/// while a write transaction is open, reads wait.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    name: Arc<str>,
    /// SQLite forgets the database with its last connection; this one lasts while the pools replace theirs.
    keeper: Arc<Mutex<Option<Sqlite>>>,
}

impl Memory {
    fn new() -> Self {
        let number = MEMORIES.fetch_add(1, Ordering::Relaxed);
        let name = format!("file:/tallybook-{number}?vfs=memdb").into();
        Self { name, keeper: Arc::default() }
    }

    fn open(&self, flags: OpenFlags) -> rusqlite::Result<Sqlite> {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if keeper.is_none() {
            *keeper = Some(Sqlite::open_with_flags(&*self.name, flags)?);
        }
        Sqlite::open_with_flags(&*self.name, flags)
    }
}

/// How to open connections to one database.
#[derive(Clone, Debug)]
pub(crate) enum Connector {
    Memory(Memory),
    File { file: Arc<DatabaseFile>, access: FileAccess },
}

impl Connector {
    pub(crate) fn new(location: &SqliteLocation, access: FileAccess) -> Self {
        match location {
            SqliteLocation::Memory => Self::Memory(Memory::new()),
            // The process may go elsewhere before it opens the next connection.
            SqliteLocation::File(path) => {
                let path = path::absolute(path).unwrap_or_else(|_| path.clone());
                Self::File { file: Arc::new(DatabaseFile::new(path)), access }
            }
        }
    }

    pub(crate) async fn connect(&self, role: Role) -> Result<Connection> {
        let connector = self.clone();
        let file = match self {
            Connector::Memory(_) => None,
            Connector::File { file, .. } => Some(Arc::clone(file)),
        };
        let wants_log = file.is_some() && !self.is_read_only();
        Connection::spawn(file, wants_log, self.busy_timeout(role), role, move || connector.open(role)).await
    }

    /// The file, and whether it is opened to be written.
    pub(crate) fn lockable(&self) -> Option<(&Path, bool)> {
        match self {
            Connector::Memory(_) => None,
            Connector::File { file, .. } => Some((file.path(), !self.is_read_only())),
        }
    }

    /// How long a connection waits for a lock that another holds.
    fn busy_timeout(&self, role: Role) -> Duration {
        match (self, role) {
            (Connector::File { .. }, Role::Migrate) => RUNNER_BUSY_TIMEOUT,
            (Connector::File { access, .. }, _) => access.busy_timeout,
            (Connector::Memory(_), _) => FileAccess::to_look().busy_timeout,
        }
    }

    pub(crate) fn target(&self) -> String {
        match self {
            Connector::Memory(_) => "sqlite::memory:".to_owned(),
            Connector::File { file, .. } => file.path().display().to_string(),
        }
    }

    fn is_read_only(&self) -> bool {
        matches!(self, Connector::File { access: FileAccess { mode: OpenMode::ReadOnly, .. }, .. })
    }

    /// What is wrong with its file, if anything is: it was deleted, replaced or moved.
    pub(crate) fn fault(&self) -> Option<String> {
        match self {
            Connector::Memory(_) => None,
            Connector::File { file, .. } => file.fault(),
        }
    }

    /// The size of its log; none for a database in memory.
    pub(crate) fn log_size(&self) -> Option<u64> {
        match self {
            Connector::Memory(_) => None,
            Connector::File { file, .. } => Some(file.log_size()),
        }
    }

    /// Shortens the log if it has grown.
    pub(crate) async fn shorten_log(&self) -> Result<()> {
        let Connector::File { file, .. } = self else { return Ok(()) };
        if self.is_read_only() {
            return Ok(());
        }
        if file.log_size() < LARGE {
            file.set_backlog(false);
            return Ok(());
        }
        let (connector, file) = (self.clone(), Arc::clone(file));
        let shortened = spawn_blocking(move || shorten(&connector.open(Role::Read)?, &file).map_err(convert));
        shortened.await.unwrap_or_else(|_| Err(Error::new(Kind::Lost)))
    }

    fn open(&self, role: Role) -> Result<Sqlite> {
        let explain = |error| Error::connect(self.target(), explain(&error)).with_source(convert(error));
        let ready = |opened: rusqlite::Result<Sqlite>| {
            let sqlite = opened.map_err(explain)?;
            self.prepare(&sqlite, role).map_err(explain)?;
            Ok(sqlite)
        };
        match self {
            Connector::Memory(memory) => ready(memory.open(
                OpenFlags::SQLITE_OPEN_READ_WRITE
                    | OpenFlags::SQLITE_OPEN_CREATE
                    | OpenFlags::SQLITE_OPEN_NO_MUTEX
                    | OpenFlags::SQLITE_OPEN_URI,
            )),
            Connector::File { file, access } => file.open(|may_make| {
                let mut flags = check_file(file.path(), access.mode)?;
                flags.set(
                    OpenFlags::SQLITE_OPEN_CREATE,
                    may_make && flags.contains(OpenFlags::SQLITE_OPEN_CREATE),
                );
                ready(Sqlite::open_with_flags(file.path(), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX))
            }),
        }
    }

    /// Durable commits, readers beside the writer, foreign keys on; readers can't write.
    fn prepare(&self, sqlite: &Sqlite, role: Role) -> rusqlite::Result<()> {
        sqlite.busy_timeout(self.busy_timeout(role))?;
        if let Connector::File { file, access: FileAccess { mode: OpenMode::ReadOnly, .. } } = self {
            // What others left in a log stays there: the last connection that closes would move it into the file.
            let has_log = fs::metadata(beside(file.path(), "-wal")).is_ok_and(|log| log.len() > 0);
            sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log)?;
        }
        sqlite.set_prepared_statement_cache_capacity(PREPARED);
        rusqlite::vtab::array::load_module(sqlite)?;
        functions::register(sqlite)?;
        // Reads the file's header, and so finds what is no database. A file that is only read stays as it is.
        sqlite.query_row("PRAGMA schema_version", [], |_| Ok(()))?;
        stable_plans(sqlite, true)?;
        sqlite.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
        if role == Role::Read || self.is_read_only() {
            sqlite.execute_batch("PRAGMA query_only = ON;")?;
            sqlite.pragma_update(None, "mmap_size", MAPPED)?;
        }
        Ok(())
    }
}

/// Whether plans are the same for all values. Where they are not SQLite, built with STAT4, plans a statement anew
/// whenever a value that could matter is bound to it.
pub(super) fn stable_plans(sqlite: &Sqlite, are_stable: bool) -> rusqlite::Result<()> {
    sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, are_stable).map(drop)
}

/// Turns a file to WAL, before the first write to it, and leaves the flushing of the log to [`Log`]. None where
/// SQLite keeps to another journal, which it flushes itself.
pub(super) fn use_log(
    sqlite: &Sqlite,
    database: &Arc<DatabaseFile>,
    busy_timeout: Duration,
) -> Result<Option<Log>> {
    if turn_to_wal(sqlite, busy_timeout).map_err(convert)? != "wal" {
        return Ok(None);
    }
    // The first look at the database makes the log's file.
    sqlite.query_row("PRAGMA schema_version", [], |_| Ok(())).map_err(convert)?;
    let Some(path) = sqlite.path().map(|path| PathBuf::from(format!("{path}-wal"))) else { return Ok(None) };
    let Ok(file) = File::options().read(true).write(true).open(&path) else { return Ok(None) };
    let failed_before = database.repair_flushes(|| repair(sqlite, &file, database))?;
    let Ok(log) = Log::new(file, path, Arc::clone(database), failed_before) else { return Ok(None) };
    sqlite.execute_batch("PRAGMA synchronous = NORMAL").map_err(convert)?;
    sqlite.pragma_update(None, "journal_size_limit", LARGE as i64).map_err(convert)?;
    Ok(Some(log))
}

/// Whether a text has given the file another journal, which SQLite flushes itself from now on.
pub(super) fn left_log(sqlite: &Sqlite) -> rusqlite::Result<bool> {
    let journal: String = sqlite.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if journal == "wal" {
        return Ok(false);
    }
    sqlite.execute_batch("PRAGMA synchronous = FULL").map(|()| true)
}

/// Brings to the disk what a flush that failed may have lost, while nobody writes to the log.
fn repair(sqlite: &Sqlite, log: &File, database: &DatabaseFile) -> Result<()> {
    sqlite.execute_batch("BEGIN IMMEDIATE").map_err(convert)?;
    let written = write_again(log);
    sqlite.execute_batch("ROLLBACK").map_err(convert)?;
    written.map_err(|error| {
        Error::connect(database.path().display().to_string(), "its write-ahead log can't be flushed")
            .with_source(error)
    })
}

/// Of several connections that do so at the same time SQLite refuses all but one without regard to the busy
/// time-out, because their waiting could be a deadlock; here it is none.
fn turn_to_wal(sqlite: &Sqlite, busy_timeout: Duration) -> rusqlite::Result<String> {
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

/// The path of what SQLite keeps beside a file.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// How to open a file, or the reason against it, of which SQLite would only say "unable to open database file".
///
/// A file without write permission is refused to the superuser as well, whom the permission does not stop.
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

/// Why a file that is not there can't be made either.
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
