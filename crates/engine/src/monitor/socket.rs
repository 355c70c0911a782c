//! The unix socket at which `tallybook watch` finds the figures.
//!
//! Whoever connects gets the report as one line of JSON, and the connection is closed.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::report::Report;
use crate::error::{Error, Result};

const VARIABLE: &str = "DB_MONITOR_SOCKET";
/// Readers served at once; others wait.
const READERS: usize = 8;
/// How long a reader may take.
const LIMIT: Duration = Duration::from_secs(2);
/// After a failure to accept, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);
/// Only the user of the program may connect.
const MODE: u32 = 0o600;
const ROOT: u32 = 0;

/// A socket that is served until this is dropped, which removes its file.
#[derive(Debug)]
pub(crate) struct Served {
    path: PathBuf,
    file: FileId,
    task: JoinHandle<()>,
}

/// Tells a file from another that took its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

/// Serves `report` at `path`, until [`Served`] is dropped or there is no report any more. Must be called on a
/// Tokio runtime.
///
/// `report` should hold the database weakly: the task that calls it must not keep the database open.
///
/// # Errors
/// A setting that is wrong, when another program serves the path, when it is no socket, or when a socket can't be made
/// there.
pub(crate) async fn serve(
    path: &Path,
    report: impl Fn() -> Option<Report> + Send + Sync + 'static,
) -> Result<Served> {
    clear(path).await?;
    let (listener, file, owner) = bind(path).map_err(|error| cannot_bind(path, error))?;
    let task = tokio::spawn(accept(listener, owner, report));
    Ok(Served { path: path.to_owned(), file, task })
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
        // Another program may have taken the path since.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| FileId::of(&found) == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl FileId {
    fn of(metadata: &fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// Removes the socket that a killed program left; nothing else.
async fn clear(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            let what = match found.file_type() {
                kind if kind.is_dir() => "a directory",
                kind if kind.is_symlink() => "a symbolic link",
                _ => "a file that is none",
            };
            let expected = format!("the path of a socket: {what} is there, and is left as it is");
            return Err(wrong(path, &expected));
        }
        Ok(_) => {}
        // Whatever else is wrong with the path shows when it is bound.
        Err(_) => return Ok(()),
    }
    match timeout(LIMIT, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| cannot_bind(path, error))
        }
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(Err(error)) => Err(cannot_bind(path, error)),
        Ok(Ok(_)) | Err(_) => Err(wrong(
            path,
            "a path of its own for each program and database: another one serves this socket",
        )),
    }
}

/// A listener, its file and the user whose file it is.
fn bind(path: &Path) -> io::Result<(UnixListener, FileId, u32)> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    let metadata = fs::symlink_metadata(path)?;
    Ok((listener, FileId::of(&metadata), metadata.uid()))
}

async fn accept(listener: UnixListener, owner: u32, report: impl Fn() -> Option<Report>) {
    let places = Arc::new(Semaphore::new(READERS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes it");
        let Ok((reader, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        // The file could be opened by anybody in the moment before its mode was set.
        if !reader.peer_cred().is_ok_and(|peer| [owner, ROOT].contains(&peer.uid())) {
            continue;
        }
        let Some(report) = report() else { return };
        tokio::spawn(async move {
            let _ = timeout(LIMIT, answer(reader, &report)).await;
            drop(place);
        });
    }
}

async fn answer(mut reader: UnixStream, report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    reader.write_all(&line).await?;
    reader.shutdown().await
}

fn wrong(path: &Path, expected: &str) -> Error {
    Error::setting(VARIABLE, path.display().to_string(), expected)
}

fn cannot_bind(path: &Path, error: io::Error) -> Error {
    let expected = format!("a path in a directory where the program may make a socket: {error}");
    wrong(path, &expected).with_source(error)
}
