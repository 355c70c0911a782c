use std::{env, path::PathBuf};

use rustix::fs::statvfs;
use tempfile::TempDir;

use crate::Error;

const MEMORY: &str = "/dev/shm";
const ROOM: u64 = 2 << 30;

/// A new directory for a server, whose name tells `what` it holds.
pub(crate) fn new_directory(what: &str) -> Result<TempDir, Error> {
    let place = place();
    let directory = tempfile::Builder::new().prefix(&format!("tallybook-{what}-")).tempdir_in(&place);
    directory.map_err(Error::at(&place))
}

/// Where `TMPDIR` says. Without it in memory, since to create a database is to
/// create some hundred files; but only if there is room for plenty of them,
/// which a container may not have.
fn place() -> PathBuf {
    let roomy = || statvfs(MEMORY).is_ok_and(|memory| memory.f_bavail * memory.f_frsize >= ROOM);
    if env::var_os("TMPDIR").is_none() && roomy() { MEMORY.into() } else { env::temp_dir() }
}
