//! Whether there is a file, and whether it can be read and written.

use std::fs;
use std::path::Path;

use rustix::fs::{Access, access};

use super::facts::NAME;
use crate::doctor::finding::Finding;
use crate::doctor::node::Seat;
use crate::doctor::units::shell;
use crate::error::Error;
use crate::waiting::{Blocker, names};

/// What is wrong with a file before it is opened.
pub(super) fn judge(seat: &Seat, path: &Path) -> Option<Finding> {
    let quoted = shell(&seat.name);
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory_quoted = shell(&directory.display().to_string());
    if !directory.is_dir() {
        let what = format!("the directory {} does not exist", directory.display());
        return Some(
            Finding::critical(NAME, what, "no program can open or make the file").run(format!("mkdir -p \
                {directory_quoted}")).advise(
                "a path behind three slashes is relative to the working directory, behind four it is absolute",
            ),
        );
    }
    let Ok(metadata) = fs::metadata(path) else {
        let what = "the file does not exist";
        let why =
            "a program that opens it makes an empty one, and finds nothing of what was written elsewhere";
        return Some(
            Finding::critical(NAME, what, why)
                .run(format!("ls -l {directory_quoted}"))
                .run("tallybook migrate upgrade    # makes it, with an empty book")
                .advise(
                    "a path behind three slashes is relative to the working directory, behind four it is \
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
        let why = "SQLite keeps its log and its locks beside the file";
        return Some(
            Finding::critical(NAME, what, why)
                .run(format!("ls -ld {directory_quoted}"))
                .run(format!("chmod u+w {directory_quoted}")),
        );
    }
    None
}

/// Why it could not be opened.
pub(super) fn failed(seat: &Seat, error: &Error) -> Finding {
    let quoted = shell(&seat.name);
    Finding::critical(NAME, error.to_string(), "programs can't open it")
        .run(format!("file {quoted}"))
        .run(format!("fuser -v {quoted}    # who has it open"))
}

/// It did not open in time.
pub(super) fn locked(seat: &Seat, holders: &[Blocker]) -> Finding {
    let what = format!("it can't be opened: it is kept locked by {}", names(holders));
    let why = "programs wait for five seconds, and then fail";
    Finding::critical(NAME, what, why).run(format!("fuser -v {}    # who has it open", shell(&seat.name)))
}
