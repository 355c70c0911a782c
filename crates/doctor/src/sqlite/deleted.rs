//! Check `file`: no process still uses a deleted or replaced file.

use std::fs;
use std::path::{Path, PathBuf};

use tallybook_sqlite::Process;

use super::facts::NAME;
use crate::finding::Finding;

/// Finds processes that have the deleted or replaced file open. Only the superuser sees those of other users;
/// without `/proc` nothing is found.
pub(super) fn check(path: &Path) -> Vec<Finding> {
    let path = kernel_path(path);
    let (deleted, log) = (with_suffix(&path, " (deleted)"), with_suffix(&path, "-wal"));
    let deleted_log = with_suffix(&log, " (deleted)");
    let pids = entries(Path::new("/proc")).filter_map(|entry| number(&entry));
    let mut pids: Vec<_> = pids.filter(|pid| *pid != std::process::id()).collect();
    pids.sort_unstable();
    let finding = |pid| {
        let file = descriptor(pid, &[&deleted])?;
        let what = format!("{} still uses a file that was deleted or replaced here", Process::of(pid));
        let why = "its writes are invisible to others, and lost when it ends";
        let copy = |descriptor: u32, to: &str| format!("cp /proc/{pid}/fd/{descriptor} {to}");
        let mut finding = Finding::critical(NAME, what, why)
            .advise("to keep what it has, stop its writes and copy the file and its log before it ends:")
            .run(copy(file, "rescued.db"));
        if let Some(log) = descriptor(pid, &[&log, &deleted_log]) {
            finding = finding.run(copy(log, "rescued.db-wal"));
        }
        Some(finding.advise("then start it again"))
    };
    pids.into_iter().filter_map(finding).collect()
}

/// Returns the descriptor by which a process has one of these paths open, spelled as the kernel does.
fn descriptor(pid: u32, names: &[&Path]) -> Option<u32> {
    entries(&PathBuf::from(format!("/proc/{pid}/fd"))).find_map(|entry| {
        let to = fs::read_link(entry.path()).ok()?;
        names.contains(&&*to).then(|| number(&entry))?
    })
}

fn entries(directory: &Path) -> impl Iterator<Item = fs::DirEntry> + use<> {
    fs::read_dir(directory).into_iter().flatten().flatten()
}

fn number(entry: &fs::DirEntry) -> Option<u32> {
    entry.file_name().to_str()?.parse().ok()
}

/// Returns the path as the kernel shows it, even of a file that is gone.
pub(super) fn kernel_path(path: &Path) -> PathBuf {
    let in_directory = || {
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(fs::canonicalize(directory).ok()?.join(path.file_name()?))
    };
    fs::canonicalize(path).ok().or_else(in_directory).unwrap_or_else(|| path.to_owned())
}

/// Appends a suffix to a path.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
