//! Processes that go on with a file that has lost its name.

use std::fs;
use std::path::{Path, PathBuf};

use super::facts::NAME;
use crate::doctor::finding::Finding;
use crate::driver::Process;

/// Those that have open what was deleted at the path, or replaced. Those of other users are seen by the superuser only, and
/// none where there is no `/proc`.
pub(super) fn look(path: &Path) -> Vec<Finding> {
    let path = real(path);
    let (deleted, log) = (with(&path, " (deleted)"), with(&path, "-wal"));
    let deleted_log = with(&log, " (deleted)");
    let pids = entries(Path::new("/proc")).filter_map(|entry| number(&entry));
    let mut pids: Vec<_> = pids.filter(|pid| *pid != std::process::id()).collect();
    pids.sort_unstable();
    let finding = |pid| {
        let file = descriptor(pid, &[&deleted])?;
        let what = format!("{} goes on with a file that was deleted or replaced here", Process::of(pid));
        let why = "what it writes is lost when it ends; nobody else sees it";
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

/// The descriptor by which a process has one of these open, as the kernel calls them.
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

/// The path as the kernel shows it, also of a file that is gone.
pub(super) fn real(path: &Path) -> PathBuf {
    let in_directory = || {
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(fs::canonicalize(directory).ok()?.join(path.file_name()?))
    };
    fs::canonicalize(path).ok().or_else(in_directory).unwrap_or_else(|| path.to_owned())
}

/// A path with something at its end.
pub(super) fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
