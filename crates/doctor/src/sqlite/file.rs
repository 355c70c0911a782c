//! Check `file`: the file exists and is readable and writable.

use std::fs;
use std::path::Path;

use rustix::fs::{Access, access};
use tallybook_core::waiting::{Blocker, names};
use tallybook_sql::error::Error;

use super::facts::NAME;
use crate::finding::Finding;
use crate::node::NodeConfig;
use crate::units::shell;

/// Examines the file without opening it.
pub(super) fn evaluate(config: &NodeConfig, path: &Path) -> Option<Finding> {
    let quoted = shell(&config.name);
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory_quoted = shell(&directory.display().to_string());
    if !directory.is_dir() {
        let what = format!("the directory {} does not exist", directory.display());
        return Some(
            Finding::critical(NAME, what, "no program can open or create the file").run(format!("mkdir -p \
                {directory_quoted}")).advise(
                "a path after three slashes is relative to the working directory, after four it is absolute",
            ),
        );
    }
    let Ok(metadata) = fs::metadata(path) else {
        let what = "the file does not exist";
        let why = "a program that opens it creates an empty file, without the data written elsewhere";
        return Some(
            Finding::critical(NAME, what, why)
                .run(format!("ls -l {directory_quoted}"))
                .run("tallybook migrate upgrade    # creates it, with an empty book")
                .advise(
                    "a path after three slashes is relative to the working directory, after four it is \
                    absolute",
                ),
        );
    };
    if metadata.is_dir() {
        let what = "it is a directory";
        return Some(Finding::critical(NAME, what, "it can't be opened").advise("correct DATABASE_URL"));
    }
    if access(path, Access::READ_OK | Access::WRITE_OK).is_err() || metadata.permissions().readonly() {
        let what = "this user may not read and write the file";
        return Some(
            Finding::critical(NAME, what, "programs of this user can't open it")
                .run(format!("ls -l {quoted}"))
                .run(format!("chmod u+rw {quoted}")),
        );
    }
    if access(directory, Access::WRITE_OK).is_err() {
        let what = format!("this user may not write into the directory {}", directory.display());
        let why = "SQLite keeps its log and locks next to the file";
        return Some(
            Finding::critical(NAME, what, why)
                .run(format!("ls -ld {directory_quoted}"))
                .run(format!("chmod u+w {directory_quoted}")),
        );
    }
    None
}

/// Returns the finding about a file that could not be opened.
pub(super) fn failed(config: &NodeConfig, error: &Error) -> Finding {
    let quoted = shell(&config.name);
    Finding::critical(NAME, error.to_string(), "programs can't open it")
        .run(format!("file {quoted}"))
        .run(format!("fuser -v {quoted}    # who has it open"))
}

/// Returns the finding about a file that stayed locked.
pub(super) fn locked(config: &NodeConfig, holders: &[Blocker]) -> Finding {
    let what = format!("it can't be opened: it is locked by {}", names(holders));
    let why = "programs wait for five seconds, and then fail";
    Finding::critical(NAME, what, why).run(format!("fuser -v {}    # who has it open", shell(&config.name)))
}
