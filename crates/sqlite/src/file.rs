//! The file of an open database, and whether its path still leads to it.
//!
//! A file that is deleted, replaced or moved stays alive for those who have it open: SQLite reads and writes it without
//! an error, while everyone else finds another file or none. So the path is verified: after the flush of a commit and
//! before its acknowledgement; before a read, if the last check is older than [`MAX_CHECK_AGE`]; and around each new
//! connection.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tallybook_sql::error::{Error, ErrorDetail, GoneTransaction, Result};

/// Reads trust a check for this long. A check takes a microsecond, which a read of a few would feel.
const MAX_CHECK_AGE: Duration = Duration::from_millis(1);
/// Attempts to open a file that is replaced meanwhile.
const ATTEMPTS: u32 = 5;

/// A file system and an inode. No other file has them while this one is held open.
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

/// What a check asks about the file of a path.
struct Found {
    identity: Identity,
    links: u64,
    size: u64,
}

impl Found {
    fn of(metadata: &Metadata) -> Self {
        Self { identity: Identity::of(metadata), links: metadata.nlink(), size: metadata.len() }
    }
}

/// Looks at the file of a path, but not at its times. Since Linux 6.13 the change of a file whose times somebody has
/// looked at gets a time of its own, and flushing the log then writes its inode too: two requests of the disk instead of
/// one for each commit.
#[cfg(target_os = "linux")]
fn look(path: &Path) -> io::Result<Found> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};
    use rustix::io::Errno;

    let wanted = StatxFlags::INO | StatxFlags::NLINK | StatxFlags::SIZE;
    match statx(CWD, path, AtFlags::empty(), wanted) {
        Ok(found) => {
            let device = makedev(found.stx_dev_major, found.stx_dev_minor);
            let identity = Identity { device, inode: found.stx_ino };
            Ok(Found { identity, links: found.stx_nlink.into(), size: found.stx_size })
        }
        // Before Linux 4.11.
        Err(Errno::NOSYS) => fs::metadata(path).map(|found| Found::of(&found)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn look(path: &Path) -> io::Result<Found> {
    fs::metadata(path).map(|found| Found::of(&found))
}

/// A file and its path when it was opened.
#[derive(Debug)]
pub(super) struct PinnedFile {
    path: PathBuf,
    identity: Identity,
    /// Handle that keeps the inode from being reused, and tells what became of the file. `None` on systems without
    /// handles that leave SQLite's locks alone.
    held: Option<File>,
}

impl PinnedFile {
    /// Pins the file at `path`, with a handle that can neither read nor write: closing any other handle would release
    /// the locks that this process has on the file.
    fn new(path: &Path) -> io::Result<Self> {
        let held = open_handle(path)?;
        let identity = Identity::of(&fs::metadata(path)?);
        Ok(Self { path: path.to_owned(), identity, held })
    }

    /// Pins a file that is open and has no locks.
    pub(super) fn open(path: PathBuf, file: &File) -> io::Result<Self> {
        Ok(Self { path, identity: Identity::of(&file.metadata()?), held: Some(file.try_clone()?) })
    }

    /// Returns the size of the file, or what became of it if its path no longer leads to it.
    pub(super) fn verify(&self, name: &str) -> Result<u64, FileFate> {
        let path = self.path.display();
        let replaced = match look(&self.path) {
            // A deleted file can still be mounted here.
            Ok(found) if found.identity == self.identity && found.links > 0 => return Ok(found.size),
            Ok(found) => found.identity != self.identity,
            Err(error) if is_missing(&error) => false,
            // Without permission the file can't be seen, but removing a permission does not remove the file.
            Err(_) if self.link_count() != Some(0) => return Ok(0),
            Err(_) => false,
        };
        let survives = self.link_count() != Some(0);
        let place = if survives { self.current_path() } else { None };
        let what = match (replaced, place) {
            (true, None) => format!("{name}{path} was replaced by another file"),
            (true, Some(place)) => {
                format!("{name}{path} was replaced by another file, and is now {}", place.display())
            }
            (false, _) if !survives => format!("{name}{path} was deleted"),
            (false, Some(place)) => format!("{name}{path} was moved to {}", place.display()),
            (false, None) => format!("{name}{path} is no longer there"),
        };
        Err(FileFate {
            what,
            transaction: if survives { GoneTransaction::WithTheFile } else { GoneTransaction::Lost },
        })
    }

    /// Returns the number of links to the file.
    fn link_count(&self) -> Option<u64> {
        Some(self.held.as_ref()?.metadata().ok()?.nlink())
    }

    /// Returns the current path of the file, if the kernel tells.
    #[cfg(target_os = "linux")]
    fn current_path(&self) -> Option<PathBuf> {
        use std::os::fd::AsRawFd;

        let place = fs::read_link(format!("/proc/self/fd/{}", self.held.as_ref()?.as_raw_fd())).ok()?;
        // The name by which it was opened may be gone although it has another.
        let found = fs::metadata(&place).ok()?;
        (Identity::of(&found) == self.identity).then_some(place)
    }

    #[cfg(not(target_os = "linux"))]
    fn current_path(&self) -> Option<PathBuf> {
        None
    }
}

#[cfg(target_os = "linux")]
fn open_handle(path: &Path) -> io::Result<Option<File>> {
    use rustix::fs::{Mode, OFlags, open};

    Ok(Some(open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?.into()))
}

#[cfg(not(target_os = "linux"))]
fn open_handle(_path: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The fate of a file that is gone.
#[derive(Clone, Debug)]
pub(super) struct FileFate {
    what: String,
    /// Fate of a transaction that was written to it.
    transaction: GoneTransaction,
}

impl FileFate {
    /// Returns the error for a read, or for a transaction that has not committed.
    fn error(&self) -> Error {
        Error::new(ErrorDetail::FileGone { what: self.what.clone(), transaction: GoneTransaction::None })
    }

    /// Returns the error for a transaction that was written and must not be acknowledged.
    pub(super) fn commit_error(&self) -> Error {
        Error::new(ErrorDetail::FileGone { what: self.what.clone(), transaction: self.transaction })
    }

    /// Returns the fate if only the log is gone. The last connection to close moves the log into the file, unless the
    /// process is killed first.
    pub(super) fn for_wal(self) -> Self {
        Self { transaction: GoneTransaction::Unknown, ..self }
    }
}

/// The file of an open database, shared by all of its connections.
#[derive(Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    /// The file that the first connection opened.
    pinned: OnceLock<PinnedFile>,
    /// Path of the log: next to the file itself, not to a link to it.
    log: OnceLock<PathBuf>,
    /// Failed flushes of the log, and how many of them were repaired.
    failed_flushes: AtomicU64,
    repaired_flushes: AtomicU64,
    /// True if the log holds more than a commit should checkpoint.
    has_backlog: AtomicBool,
    /// Set once the file is gone, and never reset: connections still have the old file open.
    gone: OnceLock<FileFate>,
    origin: Instant,
    /// Nanoseconds from the origin to the last check.
    verified: AtomicU64,
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
            verified: AtomicU64::new(0),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a connection. The first one may create the file; later ones must find the same file.
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
            let pinned = PinnedFile::new(&self.path);
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

    /// Verifies the path, unless that was done just before `now`.
    ///
    /// # Errors
    ///
    /// Fails if the file is gone.
    pub(super) fn check_at(&self, now: Instant) -> Result<()> {
        let age = nanoseconds(now - self.origin).saturating_sub(self.verified.load(Ordering::Relaxed));
        match self.gone.get() {
            Some(gone) => Err(gone.error()),
            None if age < nanoseconds(MAX_CHECK_AGE) => Ok(()),
            None => self.check(),
        }
    }

    /// Verifies the path.
    ///
    /// # Errors
    ///
    /// Fails if the file is gone.
    pub(super) fn check(&self) -> Result<()> {
        self.verify().map_err(|gone| gone.error())
    }

    /// Verifies the path for a transaction that was written.
    ///
    /// # Errors
    ///
    /// Fails if the file is gone, and the transaction with it.
    pub(super) fn check_commit(&self) -> Result<()> {
        self.verify().map_err(|gone| gone.commit_error())
    }

    /// Returns the size of the log, in bytes.
    pub(super) fn log_size(&self) -> u64 {
        self.log.get().and_then(|log| fs::metadata(log).ok()).map_or(0, |log| log.len())
    }

    /// Returns the number of failed flushes of the log.
    pub(super) fn failed_flushes(&self) -> u64 {
        self.failed_flushes.load(Ordering::Acquire)
    }

    pub(super) fn flush_failed(&self) {
        self.failed_flushes.fetch_add(1, Ordering::AcqRel);
    }

    /// Calls `repair` if a failed flush was not repaired yet. Returns the number of flushes that had failed before.
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

    /// Returns the fate of the file, if it is known to be gone.
    pub(super) fn gone(&self) -> Option<&FileFate> {
        self.gone.get()
    }

    /// Returns the problem with the file, as a sentence.
    pub(super) fn fault(&self) -> Option<String> {
        self.verify().err().map(|gone| gone.what.clone())
    }

    pub(super) fn verify(&self) -> Result<(), &FileFate> {
        if self.gone.get().is_none()
            && let Some(pinned) = self.pinned.get()
        {
            let now = Instant::now();
            match pinned.verify("the SQLite file ") {
                Ok(_) => self.verified.store(nanoseconds(now - self.origin), Ordering::Relaxed),
                Err(gone) => return Err(self.mark_gone(gone)),
            }
        }
        self.gone.get().map_or(Ok(()), Err)
    }

    /// Records that the file is gone.
    pub(super) fn mark_gone(&self, gone: FileFate) -> &FileFate {
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
