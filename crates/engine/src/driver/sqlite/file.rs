//! The file of an open database, and whether its path still leads to it.
//!
//! A file that is deleted, replaced or moved lives on for those who have it open: SQLite goes on reading and writing it
//! without an error, while everyone else finds another file, or none. So the path is looked at again: before a commit is
//! acknowledged, after its flush; by reads, if the last look was [`MAX_LOOK_AGE`] ago; and around each new connection.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, GoneTransaction, Kind, Result};

/// Reads trust a look for this long. A look takes a microsecond, which a read of a few would feel.
const MAX_LOOK_AGE: Duration = Duration::from_millis(1);
/// How often an opening starts again because the file changed under it.
const ATTEMPTS: u32 = 5;

/// A file system and a number in it. No other file gets them while this one is held open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// A file and the path at which it was found.
#[derive(Debug)]
pub(super) struct Pinned {
    path: PathBuf,
    identity: Identity,
    /// Keeps the inode from being used again, and tells what became of the file; none where a system has no
    /// handles that leave SQLite's locks alone.
    held: Option<File>,
}

impl Pinned {
    /// Pins what is found at `path` now, by a handle that can neither read nor write: closing any other would end the
    /// locks that this process has on the file.
    fn new(path: &Path) -> io::Result<Self> {
        let held = hold(path)?;
        let identity = Identity::of(&fs::metadata(path)?);
        Ok(Self { path: path.to_owned(), identity, held })
    }

    /// Pins a file that is open and has no locks.
    pub(super) fn open(path: PathBuf, file: &File) -> io::Result<Self> {
        Ok(Self { path, identity: Identity::of(&file.metadata()?), held: Some(file.try_clone()?) })
    }

    /// What became of the file, if its path does not lead to it any more; its size otherwise.
    pub(super) fn look(&self, name: &str) -> Result<u64, Gone> {
        let path = self.path.display();
        let replaced = match fs::metadata(&self.path) {
            // A file that was deleted elsewhere can still be mounted here.
            Ok(found) if Identity::of(&found) == self.identity && found.nlink() > 0 => return Ok(found.len()),
            Ok(found) => Identity::of(&found) != self.identity,
            Err(error) if is_missing(&error) => false,
            // Who may not look there can't tell, and whoever took the permission away did not take the file.
            Err(_) if self.links() != Some(0) => return Ok(0),
            Err(_) => false,
        };
        let survives = self.links() != Some(0);
        let place = if survives { self.place() } else { None };
        let what = match (replaced, place) {
            (true, None) => format!("{name}{path} was replaced by another file"),
            (true, Some(place)) => {
                format!("{name}{path} was replaced by another file, and is now {}", place.display())
            }
            (false, _) if !survives => format!("{name}{path} was deleted"),
            (false, Some(place)) => format!("{name}{path} was moved to {}", place.display()),
            (false, None) => format!("{name}{path} is no longer there"),
        };
        Err(Gone {
            what,
            transaction: if survives { GoneTransaction::WithTheFile } else { GoneTransaction::Lost },
        })
    }

    /// How many names the file has.
    fn links(&self) -> Option<u64> {
        Some(self.held.as_ref()?.metadata().ok()?.nlink())
    }

    /// Where it is now, where the kernel tells.
    #[cfg(target_os = "linux")]
    fn place(&self) -> Option<PathBuf> {
        use std::os::fd::AsRawFd;

        let place = fs::read_link(format!("/proc/self/fd/{}", self.held.as_ref()?.as_raw_fd())).ok()?;
        // The name by which it was opened may be gone, although it has another one.
        let found = fs::metadata(&place).ok()?;
        (Identity::of(&found) == self.identity).then_some(place)
    }

    #[cfg(not(target_os = "linux"))]
    fn place(&self) -> Option<PathBuf> {
        None
    }
}

#[cfg(target_os = "linux")]
fn hold(path: &Path) -> io::Result<Option<File>> {
    use rustix::fs::{Mode, OFlags, open};

    Ok(Some(open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?.into()))
}

#[cfg(not(target_os = "linux"))]
fn hold(_path: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What became of a file.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    what: String,
    /// What becomes of a transaction that was written to it.
    transaction: GoneTransaction,
}

impl Gone {
    /// For what reads, or has not committed.
    fn error(&self) -> Error {
        Error::new(Kind::FileGone { what: self.what.clone(), transaction: GoneTransaction::None })
    }

    /// For a transaction that was written and must not be acknowledged.
    pub(super) fn commit_error(&self) -> Error {
        Error::new(Kind::FileGone { what: self.what.clone(), transaction: self.transaction })
    }

    /// The database is where it was, and only its log is gone: the last connection that closes moves what it still reads
    /// there into the file, and a process that is killed before does not.
    pub(super) fn of_the_log(self) -> Self {
        Self { transaction: GoneTransaction::Unknown, ..self }
    }
}

/// The file of one open database; all its connections share it.
#[derive(Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    /// What the first connection opened.
    pinned: OnceLock<Pinned>,
    /// Where SQLite keeps its log: beside the file itself, not beside a link to it.
    log: OnceLock<PathBuf>,
    /// Flushes of the log that failed, and how many of them were made up for.
    failed_flushes: AtomicU64,
    repaired_flushes: AtomicU64,
    /// More has piled up in the log than a commit should move into the file.
    has_backlog: AtomicBool,
    /// Once it is gone it stays so, whatever is put in its place: connections still have the old one open.
    gone: OnceLock<Gone>,
    origin: Instant,
    /// Nanoseconds from the origin to the last look.
    looked: AtomicU64,
}

impl DatabaseFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            pinned: OnceLock::new(),
            log: OnceLock::new(),
            failed_flushes: AtomicU64::new(0),
            repaired_flushes: AtomicU64::new(0),
            has_backlog: AtomicBool::new(false),
            gone: OnceLock::new(),
            origin: Instant::now(),
            looked: AtomicU64::new(0),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a connection to it. The first may make the file, those after it must find the same one.
    pub(super) fn open<T>(&self, open: impl Fn(bool) -> Result<T>) -> Result<T> {
        if self.pinned.get().is_some() {
            self.check()?;
            let opened = open(false);
            self.check()?;
            return opened;
        }
        for _ in 0..ATTEMPTS {
            let before = fs::metadata(&self.path).ok().map(|found| Identity::of(&found));
            let opened = open(true)?;
            let pinned = Pinned::new(&self.path);
            let pinned =
                pinned.map_err(|error| Error::connect(self.path.display().to_string(), error.to_string()))?;
            if before.is_none_or(|before| before == pinned.identity) {
                self.pinned.get_or_init(|| pinned);
                let mut log =
                    fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone()).into_os_string();
                log.push("-wal");
                self.log.get_or_init(|| log.into());
                return self.check().map(|()| opened);
            }
        }
        Err(Error::connect(self.path.display().to_string(), "the file was replaced each time it was opened"))
    }

    /// Looks at the path, unless that was done just before `now`.
    ///
    /// # Errors
    /// The file is gone.
    pub(super) fn check_at(&self, now: Instant) -> Result<()> {
        let age = nanoseconds(now - self.origin).saturating_sub(self.looked.load(Ordering::Relaxed));
        match self.gone.get() {
            Some(gone) => Err(gone.error()),
            None if age < nanoseconds(MAX_LOOK_AGE) => Ok(()),
            None => self.check(),
        }
    }

    /// Looks at the path.
    ///
    /// # Errors
    /// The file is gone.
    pub(super) fn check(&self) -> Result<()> {
        self.look().map_err(|gone| gone.error())
    }

    /// Looks at the path for a transaction that was written.
    ///
    /// # Errors
    /// The file is gone, and the transaction with it.
    pub(super) fn check_commit(&self) -> Result<()> {
        self.look().map_err(|gone| gone.commit_error())
    }

    /// The size of its log in bytes.
    pub(super) fn log_size(&self) -> u64 {
        self.log.get().and_then(|log| fs::metadata(log).ok()).map_or(0, |log| log.len())
    }

    /// How many flushes of the log failed.
    pub(super) fn failed_flushes(&self) -> u64 {
        self.failed_flushes.load(Ordering::Acquire)
    }

    pub(super) fn flush_failed(&self) {
        self.failed_flushes.fetch_add(1, Ordering::AcqRel);
    }

    /// Calls `repair` if a flush failed and was not made up for yet. Returns how many had failed before.
    pub(super) fn repair_flushes<E>(&self, repair: impl FnOnce() -> Result<(), E>) -> Result<u64, E> {
        let failed = self.failed_flushes();
        if failed > self.repaired_flushes.load(Ordering::Acquire) {
            repair()?;
            self.repaired_flushes.fetch_max(failed, Ordering::AcqRel);
        }
        Ok(failed)
    }

    pub(super) fn has_backlog(&self) -> bool {
        self.has_backlog.load(Ordering::Relaxed)
    }

    pub(super) fn set_backlog(&self, has_backlog: bool) {
        self.has_backlog.store(has_backlog, Ordering::Relaxed);
    }

    /// Why it is not used any more, if it is known to be gone.
    pub(super) fn gone(&self) -> Option<&Gone> {
        self.gone.get()
    }

    /// What is wrong with it, in a sentence.
    pub(super) fn fault(&self) -> Option<String> {
        self.look().err().map(|gone| gone.what.clone())
    }

    pub(super) fn look(&self) -> Result<(), &Gone> {
        if self.gone.get().is_none()
            && let Some(pinned) = self.pinned.get()
        {
            let now = Instant::now();
            match pinned.look("the SQLite file ") {
                Ok(_) => self.looked.store(nanoseconds(now - self.origin), Ordering::Relaxed),
                Err(gone) => return Err(self.lose(gone)),
            }
        }
        self.gone.get().map_or(Ok(()), Err)
    }

    /// It is gone from now on.
    pub(super) fn lose(&self, gone: Gone) -> &Gone {
        let mut is_new = false;
        let gone = self.gone.get_or_init(|| {
            is_new = true;
            gone
        });
        if is_new {
            let (node, reason) = (self.path.display(), &gone.what);
            tracing::error!(target: "tallybook::routing", %node, reason, "not up");
        }
        gone
    }
}

fn nanoseconds(time: Duration) -> u64 {
    time.as_nanos() as u64
}
