//! Processes that go on with a file that has lost its name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::facts::NAME;
use super::processes::{Process, processes_with};
use crate::doctor::finding::Finding;

/// Those that have open what was deleted at the path, or replaced.
pub(super) fn look(path: &Path) -> Vec<Finding> {
    let path = real(path);
    let log = beside(&path);
    let logs = processes_with(&log);
    let processes = processes_with(&path).into_iter().filter(|process| process.is_deleted);
    let finding = |process: Process| {
        let what = format!("{process} goes on with a file that was deleted or replaced here");
        let why = "what it writes is lost when it ends; nobody else sees it";
        let copy = |descriptor: u32, to: &str| format!("cp /proc/{}/fd/{descriptor} {to}", process.pid);
        let mut finding = Finding::critical(NAME, what, why)
            .advise("to keep what it has, stop its writes and copy the file and its log before it ends:")
            .run(copy(process.descriptor, "rescued.db"));
        if let Some(log) = logs.iter().find(|log| log.pid == process.pid) {
            finding = finding.run(copy(log.descriptor, "rescued.db-wal"));
        }
        finding.advise("then start it again")
    };
    processes.map(finding).collect()
}

/// The path as the kernel shows it, also of a file that is gone.
pub(super) fn real(path: &Path) -> PathBuf {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::canonicalize(path)
        .or_else(|_| {
            Ok::<_, io::Error>(fs::canonicalize(directory)?.join(path.file_name().unwrap_or_default()))
        })
        .unwrap_or_else(|_| path.to_owned())
}

/// The log of a file.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}
