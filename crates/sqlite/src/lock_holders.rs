//! Processes that lock an SQLite file.
//!
//! SQLite locks bytes of the file, and of its shared memory in WAL mode; the kernel lists the locks in `/proc/locks`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Name of the program; empty if it is not visible.
    pub program: String,
}

impl Process {
    /// Returns the process that has this id now.
    pub fn of(pid: u32) -> Self {
        let program = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Self { pid, program: program.trim().to_owned() }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.program, self.pid)
    }
}

/// Returns the processes whose locks block reads of the file by this one, or writes if `is_writing`. Empty on systems
/// that do not tell.
#[cfg(target_os = "linux")]
pub fn lock_holders(path: &Path, is_writing: bool) -> Vec<Process> {
    let has_log = shm(path).exists();
    find(path, |lock, is_shm| lock.blocks(is_shm, is_writing, has_log))
}

/// Returns the processes whose reads keep the write-ahead log from starting over. Empty on systems that do not tell.
#[cfg(target_os = "linux")]
pub fn log_readers(path: &Path) -> Vec<Process> {
    find(path, |lock, is_shm| is_shm && lock.keeps_log())
}

/// Returns the path of the shared memory, which is next to the file itself, not to a link to it.
#[cfg(target_os = "linux")]
fn shm(path: &Path) -> PathBuf {
    let mut shm = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).into_os_string();
    shm.push("-shm");
    shm.into()
}

/// Returns the other processes with a matching lock on the file or its shared memory.
#[cfg(target_os = "linux")]
fn find(path: &Path, is_such: impl Fn(&Lock, bool) -> bool) -> Vec<Process> {
    let Ok(locks) = std::fs::read_to_string("/proc/locks") else { return Vec::new() };
    let own = std::process::id();
    let mut pids = Vec::new();
    for (place, is_shm) in [(path.to_owned(), false), (shm(path), true)] {
        let Some(file) = File::of(&place) else { continue };
        let found = locks.lines().filter_map(Lock::parse).filter(|lock| {
            lock.pid != own
                && is_such(lock, is_shm)
                && lock.inode == file.inode
                && (lock.device == file.number || file.is_open_in(lock.pid))
        });
        pids.extend(found.map(|lock| lock.pid));
    }
    pids.sort_unstable();
    pids.dedup();
    pids.into_iter().map(Process::of).collect()
}

#[cfg(not(target_os = "linux"))]
/// Returns nothing: only Linux lists locks.
pub fn log_readers(_path: &Path) -> Vec<Process> {
    Vec::new()
}

#[cfg(not(target_os = "linux"))]
/// Returns nothing: only Linux lists locks.
pub fn lock_holders(_path: &Path, _is_writing: bool) -> Vec<Process> {
    Vec::new()
}

/// A file, as the kernel identifies it.
#[cfg(target_os = "linux")]
struct File {
    device: u64,
    /// Device number as `/proc/locks` writes it.
    number: String,
    inode: u64,
}

#[cfg(target_os = "linux")]
impl File {
    fn of(path: &Path) -> Option<Self> {
        use std::os::linux::fs::MetadataExt;
        let metadata = std::fs::metadata(path).ok()?;
        let (device, inode) = (metadata.st_dev(), metadata.st_ino());
        let number = format!("{:02x}:{:02x}", rustix::fs::major(device), rustix::fs::minor(device));
        Some(Self { device, number, inode })
    }

    /// Returns whether a process has it open, as far as this user may see. On stacked file systems the list of locks
    /// names another device.
    fn is_open_in(&self, pid: u32) -> bool {
        use std::os::linux::fs::MetadataExt;
        let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        open.flatten()
            .filter_map(|entry| std::fs::metadata(entry.path()).ok())
            .any(|metadata| metadata.st_dev() == self.device && metadata.st_ino() == self.inode)
    }
}

/// A line of `/proc/locks`: `1: POSIX  ADVISORY  WRITE 2741 00:2f:1234 1073741826 1073742335`.
#[cfg(target_os = "linux")]
#[derive(Debug, PartialEq)]
struct Lock {
    is_exclusive: bool,
    pid: u32,
    device: String,
    inode: u64,
    first: u64,
    last: u64,
}

#[cfg(target_os = "linux")]
impl Lock {
    /// Parses a line; `None` for other kinds of locks, and for requests that are still waiting.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().skip(1);
        if words.next()? != "POSIX" {
            return None;
        }
        let is_exclusive = words.nth(1)? == "WRITE";
        let pid = words.next()?.parse().ok().filter(|&pid| pid > 0)?;
        let (device, inode) = words.next()?.rsplit_once(':')?;
        let first = words.next()?.parse().ok()?;
        let last = words.next()?.parse().unwrap_or(u64::MAX);
        Some(Self { is_exclusive, pid, device: device.to_owned(), inode: inode.parse().ok()?, first, last })
    }

    fn covers(&self, byte: u64) -> bool {
        (self.first..=self.last).contains(&byte)
    }

    /// Returns whether it is the lock of a read: on one of the four marks of positions in the log, or on the one before
    /// them, for reads of the file without the log.
    fn keeps_log(&self) -> bool {
        !self.is_exclusive && (123..=127).any(|mark| self.covers(mark))
    }

    /// Returns whether it blocks reads, or writes if `is_writing`. The bytes are those of SQLite's file format.
    fn blocks(&self, is_shm: bool, is_writing: bool, has_log: bool) -> bool {
        const PENDING: u64 = 0x4000_0000;
        const RESERVED: u64 = PENDING + 1;
        const SHARED: u64 = PENDING + 2;
        const LOG_WRITER: u64 = 120;
        const LOG_RECOVERY: u64 = 122;
        if is_shm {
            let writes = is_writing && self.covers(LOG_WRITER);
            return self.is_exclusive && (writes || self.covers(LOG_RECOVERY));
        }
        let is_reader = !self.is_exclusive && self.covers(SHARED);
        let is_writer = self.is_exclusive && self.covers(RESERVED);
        (self.is_exclusive && (self.covers(PENDING) || self.covers(SHARED)))
            || (is_writing && (is_writer || (is_reader && !has_log)))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_read() {
        let line = "12: POSIX  ADVISORY  WRITE 2741 00:2f:1234 1073741826 1073742335";
        let lock = Lock::parse(line).unwrap();
        assert_eq!((lock.pid, &*lock.device, lock.inode), (2741, "00:2f", 1234));
        assert!(lock.blocks(false, false, false) && !lock.blocks(true, true, true));
        assert_eq!(Lock::parse("12: -> POSIX  ADVISORY  WRITE 2741 00:2f:1234 0 EOF"), None);
        assert_eq!(Lock::parse("12: FLOCK  ADVISORY  WRITE 2741 00:2f:1234 0 EOF"), None);
        assert_eq!(Lock::parse("12: OFDLCK ADVISORY  WRITE -1 00:2f:1234 0 EOF"), None);
    }

    #[test]
    fn readers_block_those_that_write_a_file_without_a_log_and_writers_of_a_log_only_writers() {
        let reader = Lock::parse("1: POSIX ADVISORY READ 7 00:2f:1 1073741826 1073742335").unwrap();
        assert!(reader.blocks(false, true, false));
        assert!(!reader.blocks(false, true, true) && !reader.blocks(false, false, false));
        let writer = Lock::parse("1: POSIX ADVISORY WRITE 7 00:2f:1 120 120").unwrap();
        assert!(writer.blocks(true, true, true) && !writer.blocks(true, false, true));
        let reserved = Lock::parse("1: POSIX ADVISORY WRITE 7 00:2f:1 1073741825 1073741825").unwrap();
        assert!(reserved.blocks(false, true, false) && !reserved.blocks(false, false, false));
    }

    #[test]
    fn readers_at_a_mark_in_the_log_keep_it() {
        let at = |byte: u64| Lock::parse(&format!("1: POSIX ADVISORY READ 7 00:2f:1 {byte} {byte}")).unwrap();
        assert_eq!([122, 123, 127, 128].map(|byte| at(byte).keeps_log()), [false, true, true, false]);
    }
}
