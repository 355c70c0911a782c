use std::{env, path::PathBuf};

use rustix::fs::statvfs;
use tempfile::TempDir;

use crate::Error;

const MEMORY: &str = "/dev/shm";
const ROOM: u64 = 2 << 30;

/// Creates a temporary directory for a server; `what` becomes part of its name.
pub(crate) fn new_directory(what: &str) -> Result<TempDir, Error> {
    let parent = parent_directory();
    let directory = tempfile::Builder::new().prefix(&format!("tallybook-{what}-")).tempdir_in(&parent);
    directory.map_err(Error::at(&parent))
}

/// Returns `TMPDIR` if it is set. Otherwise memory, since creating a database creates some hundred files, but only
/// if there is plenty of room, which a container may not have.
fn parent_directory() -> PathBuf {
    let roomy = || statvfs(MEMORY).is_ok_and(|memory| memory.f_bavail * memory.f_frsize >= ROOM);
    if env::var_os("TMPDIR").is_none() && roomy() { MEMORY.into() } else { env::temp_dir() }
}
