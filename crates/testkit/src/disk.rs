use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Records the writes and flushes of a program in one directory, and reconstructs what a power failure would
/// leave.
///
/// The program must be another process, started with the variables of [`Disk::variables`]: a preloaded library
/// intercepts its system calls. `cc` compiles the library; the project needs a C compiler anyway.
#[derive(Debug)]
pub struct Disk {
    directory: PathBuf,
    own: TempDir,
}

impl Disk {
    /// Prepares to record a directory. The path must be spelled as the program spells it.
    ///
    /// # Panics
    ///
    /// If there is no C compiler.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        let own =
            tempfile::Builder::new().prefix("tallybook-disk-").tempdir().expect("a temporary directory");
        let source = own.path().join("disk.c");
        fs::write(&source, include_str!("disk.c")).expect("a temporary file");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(own.path().join("disk.so"))
            .arg(&source)
            .output()
            .unwrap_or_else(|error| {
                panic!("cc: {error}; install a C compiler: apt-get install gcc libc6-dev, or run ./scripts/test, which does")
            });
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        Self { directory: directory.to_owned(), own }
    }

    /// Returns the environment variables for the recorded program.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, String); 3] {
        let text = |path: PathBuf| path.to_str().expect("temporary paths are UTF-8").to_owned();
        [
            ("LD_PRELOAD", text(self.own.path().join("disk.so"))),
            ("TALLYBOOK_DISK", text(self.directory.clone())),
            ("TALLYBOOK_DISK_TRACE", text(self.trace_path())),
        ]
    }

    fn trace_path(&self) -> PathBuf {
        self.own.path().join("trace")
    }

    /// Returns what the program did. Call it after the program has ended.
    ///
    /// # Panics
    ///
    /// If nothing was recorded, for example because the program is linked statically.
    #[must_use]
    pub fn trace(&self) -> Trace {
        let bytes = fs::read(self.trace_path())
            .expect("the program was started with LD_PRELOAD and is linked dynamically");
        let mut rest = &*bytes;
        let mut events = Vec::new();
        let mut files = Files::default();
        while !rest.is_empty() {
            let field =
                |index: usize| u64::from_ne_bytes(rest[index * 8..][..8].try_into().expect("eight bytes"));
            let (kind, number, length) = (field(0), field(2), field(3) as usize);
            let file = files.of(field(1), kind == 1 && number == 1);
            let data = rest[HEADER..][..length].to_vec();
            rest = &rest[HEADER + length..];
            events.push(match kind {
                1 => DiskEvent::Opened { file, is_new: number == 1, name: self.name(data) },
                2 => DiskEvent::Written { file, offset: number, data },
                3 => DiskEvent::Cut { file, length: number },
                4 => DiskEvent::FlushBegan { file, number },
                5 => DiskEvent::Flushed { file, number },
                6 => DiskEvent::FlushFailed { file, number },
                7 => DiskEvent::Removed { name: self.name(data) },
                other => unreachable!("disk.c has no kind {other}"),
            });
        }
        assert!(!events.is_empty(), "nothing was written in {}", self.directory.display());
        Trace { events }
    }

    fn name(&self, path: Vec<u8>) -> String {
        let path = String::from_utf8(path).expect("temporary paths are UTF-8");
        Path::new(&path).strip_prefix(&self.directory).expect("inside").display().to_string()
    }
}

/// Numbers the files, because inodes are reused after a file is removed.
#[derive(Default)]
struct Files {
    by_inode: BTreeMap<u64, u64>,
    last: u64,
}

impl Files {
    fn of(&mut self, inode: u64, is_new: bool) -> u64 {
        if is_new || !self.by_inode.contains_key(&inode) {
            self.last += 1;
            self.by_inode.insert(inode, self.last);
        }
        self.by_inode[&inode]
    }
}

const HEADER: usize = 32;
/// The unit that a disk writes atomically, in bytes.
const SECTOR: usize = 512;

/// An operation of the program on a file of the recorded directory. Files are identified by number; names are
/// relative to the directory, whose own name is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DiskEvent {
    Opened { file: u64, is_new: bool, name: String },
    Written { file: u64, offset: u64, data: Vec<u8> },
    Cut { file: u64, length: u64 },
    FlushBegan { file: u64, number: u64 },
    Flushed { file: u64, number: u64 },
    FlushFailed { file: u64, number: u64 },
    Removed { name: String },
}

/// All operations of a program, in order.
#[derive(Debug)]
pub struct Trace {
    /// The operations, in order.
    pub events: Vec<DiskEvent>,
}

/// A change that a power failure may undo.
struct Change<'a> {
    event: &'a DiskEvent,
    at: usize,
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Only in memory.
    Pending,
    OnDisk,
    /// A flush of it failed. Operating systems then consider the page clean, and no later flush writes it.
    Doubtful,
}

impl Trace {
    /// Returns the writes to the file `name`, each with its position among the events.
    pub fn written_to<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (usize, &'a [u8])> {
        let mut named = None;
        self.events.iter().enumerate().filter_map(move |(at, event)| match event {
            DiskEvent::Opened { file, name: opened, .. } if opened == name => {
                named = Some(*file);
                None
            }
            DiskEvent::Written { file, data, .. } if Some(*file) == named => Some((at, &**data)),
            _ => None,
        })
    }

    /// Counts the successful flushes of files named `name` among the events in `range`.
    #[must_use]
    pub fn flushes_of(&self, name: &str, range: std::ops::Range<usize>) -> usize {
        let mut inodes = Vec::new();
        let mut count = 0;
        for (at, event) in self.events.iter().enumerate() {
            match event {
                DiskEvent::Opened { file, name: opened, .. } if opened == name => inodes.push(*file),
                DiskEvent::Flushed { file, .. } if range.contains(&at) && inodes.contains(file) => count += 1,
                _ => {}
            }
        }
        count
    }

    /// Reconstructs, in the empty directory `into`, what the disk holds if the power fails before the event `at`.
    ///
    /// What was flushed is there: writes that ended before a successful flush of their file began, and names that
    /// were made or removed before a flush of the directory. For everything else, `keeps` decides sector by sector
    /// whether it reached the disk.
    ///
    /// # Panics
    ///
    /// If a file cannot be written.
    pub fn power_failure(&self, at: usize, mut keeps: impl FnMut() -> bool, into: &Path) {
        let mut files: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        let mut names: BTreeMap<&str, u64> = BTreeMap::new();
        for Change { event, fate, .. } in self.changes(at) {
            let mut is_kept = || fate == Fate::OnDisk || keeps();
            match event {
                DiskEvent::Opened { file, name, .. } => {
                    if is_kept() {
                        names.insert(name, *file);
                    }
                    files.insert(*file, Vec::new());
                }
                DiskEvent::Removed { name } if is_kept() => drop(names.remove(&**name)),
                DiskEvent::Cut { file, length } if is_kept() => {
                    files.entry(*file).or_default().resize(*length as usize, 0);
                }
                DiskEvent::Written { file, offset, data } => {
                    let content = files.entry(*file).or_default();
                    let piece = if fate == Fate::OnDisk { data.len() } else { SECTOR };
                    for (index, sector) in data.chunks(piece).enumerate() {
                        if is_kept() {
                            let start = *offset as usize + index * piece;
                            content.resize(content.len().max(start + sector.len()), 0);
                            content[start..][..sector.len()].copy_from_slice(sector);
                        }
                    }
                }
                _ => {}
            }
        }
        for (name, file) in names {
            fs::write(into.join(name), &files[&file]).expect("a temporary file");
        }
    }

    /// Returns the changes before an event, and whether they are on disk by then.
    fn changes(&self, until: usize) -> Vec<Change<'_>> {
        let mut changes: Vec<Change<'_>> = Vec::new();
        // The changes that no flush has covered yet.
        let mut pending: Vec<usize> = Vec::new();
        let mut began = BTreeMap::new();
        let mut directory = None;
        for (at, event) in self.events[..until].iter().enumerate() {
            match event {
                DiskEvent::Opened { file, name, .. } if name.is_empty() => directory = Some(*file),
                DiskEvent::Opened { is_new: true, .. }
                | DiskEvent::Written { .. }
                | DiskEvent::Cut { .. }
                | DiskEvent::Removed { .. } => {
                    pending.push(changes.len());
                    changes.push(Change { event, at, fate: Fate::Pending });
                }
                DiskEvent::FlushBegan { number, .. } => drop(began.insert(*number, at)),
                DiskEvent::Flushed { file, number } | DiskEvent::FlushFailed { file, number } => {
                    let is_failure = matches!(event, DiskEvent::FlushFailed { .. });
                    let fate = if is_failure { Fate::Doubtful } else { Fate::OnDisk };
                    pending.retain(|index| {
                        let change = &mut changes[*index];
                        let is_of_it = match change.event {
                            DiskEvent::Written { file: of, .. } | DiskEvent::Cut { file: of, .. } => {
                                of == file
                            }
                            _ => directory == Some(*file),
                        };
                        let is_taken = is_of_it && change.at < began[number];
                        if is_taken {
                            change.fate = fate;
                        }
                        !is_taken
                    });
                }
                DiskEvent::Opened { .. } => {}
            }
        }
        changes
    }
}
