//! Other processes that have a file open, by what the kernel shows of their descriptors.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Another process, and a descriptor by which it has a file open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// The name of its program.
    pub(super) program: String,
    pub(super) descriptor: u32,
    /// The file has lost this name: it was deleted, or another was put in its place.
    pub(super) is_deleted: bool,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.program, self.pid)
    }
}

/// The other processes that opened a file by this path, or had it by this path when it was deleted; one descriptor each.
/// Those of other users are seen by the superuser only, and none where there is no `/proc`.
pub(super) fn processes_with(path: &Path) -> Vec<Process> {
    let mut deleted = path.as_os_str().to_owned();
    deleted.push(" (deleted)");
    let deleted = PathBuf::from(deleted);
    let number = |entry: &fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let others = entries(Path::new("/proc")).filter_map(|entry| Some((number(&entry)?, entry.path())));
    let mut processes = Vec::new();
    for (pid, directory) in others.filter(|(pid, _)| *pid != std::process::id()) {
        let open = entries(&directory.join("fd")).find_map(|entry| {
            let to = fs::read_link(entry.path()).ok()?;
            let is_deleted = to == deleted;
            (is_deleted || to == path).then_some((number(&entry)?, is_deleted))
        });
        if let Some((descriptor, is_deleted)) = open {
            let program = fs::read_to_string(directory.join("comm")).unwrap_or_default();
            processes.push(Process { pid, program: program.trim().to_owned(), descriptor, is_deleted });
        }
    }
    processes.sort_by_key(|process| process.pid);
    processes
}
