//! The Unix socket where `tallybook watch` reads reports.
//!
//! A client that connects receives the report as one line of JSON, then end of file.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tallybook_sql::error::{Error, Result};
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::report::Report;

const SETTING: &str = "DB_MONITOR_SOCKET";
/// Clients served at once; further ones wait.
const MAX_CLIENTS: usize = 8;
/// Time limit for answering one client.
const IO_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause after `accept` failed, for example because too many files are open.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Only the user of the process may connect.
const SOCKET_MODE: u32 = 0o600;
const ROOT_UID: u32 = 0;

/// A running report server. Dropping it stops the server and removes the socket file.
#[derive(Debug)]
pub struct SocketServer {
    path: PathBuf,
    file: FileId,
    task: JoinHandle<()>,
}

/// Identifies a file even if another one took its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

/// Serves `report` at `path` until the [`SocketServer`] is dropped or `report` returns `None`. Must be called on a
/// Tokio runtime.
///
/// `report` should hold the database weakly, or the serving task keeps it open.
///
/// # Errors
///
/// A settings error if another process serves `path`, if `path` is not a socket, or if no socket can be
/// created there.
pub async fn serve(
    path: &Path,
    report: impl Fn() -> Option<Report> + Send + Sync + 'static,
) -> Result<SocketServer> {
    remove_stale_socket(path).await?;
    let (listener, file, owner) = bind(path).map_err(|error| cannot_bind(path, error))?;
    let task = tokio::spawn(accept(listener, owner, report));
    Ok(SocketServer { path: path.to_owned(), file, task })
}

impl Drop for SocketServer {
    fn drop(&mut self) {
        self.task.abort();
        // Another process may have taken the path since.
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

/// Removes the socket of a killed process; touches nothing else.
async fn remove_stale_socket(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            let what = match found.file_type() {
                kind if kind.is_dir() => "a directory",
                kind if kind.is_symlink() => "a symbolic link",
                _ => "a file of another kind",
            };
            let expected = format!("the path of a socket: {what} is there, and is left as it is");
            return Err(invalid_setting(path, &expected));
        }
        Ok(_) => {}
        // Binding reports any other problem with the path.
        Err(_) => return Ok(()),
    }
    match timeout(IO_TIMEOUT, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| cannot_bind(path, error))
        }
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(Err(error)) => Err(cannot_bind(path, error)),
        Ok(Ok(_)) | Err(_) => Err(invalid_setting(
            path,
            "a path of its own for each program and database: another one serves this socket",
        )),
    }
}

/// Binds the listener; returns it with its file and the user that owns the file.
fn bind(path: &Path) -> io::Result<(UnixListener, FileId, u32)> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))?;
    let metadata = fs::symlink_metadata(path)?;
    Ok((listener, FileId::of(&metadata), metadata.uid()))
}

async fn accept(listener: UnixListener, owner: u32, report: impl Fn() -> Option<Report>) {
    let permits = Arc::new(Semaphore::new(MAX_CLIENTS));
    loop {
        let permit = Arc::clone(&permits).acquire_owned().await.expect("nobody closes it");
        let Ok((client, _)) = listener.accept().await else {
            sleep(ACCEPT_RETRY_DELAY).await;
            continue;
        };
        // Anyone could connect between binding and setting the mode.
        if !client.peer_cred().is_ok_and(|peer| [owner, ROOT_UID].contains(&peer.uid())) {
            continue;
        }
        let Some(report) = report() else { return };
        tokio::spawn(async move {
            let _ = timeout(IO_TIMEOUT, answer(client, &report)).await;
            drop(permit);
        });
    }
}

async fn answer(mut client: UnixStream, report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    client.write_all(&line).await?;
    client.shutdown().await
}

fn invalid_setting(path: &Path, expected: &str) -> Error {
    Error::setting(SETTING, path.display().to_string(), expected)
}

fn cannot_bind(path: &Path, error: io::Error) -> Error {
    let expected = format!("a path in a directory where the program may make a socket: {error}");
    invalid_setting(path, &expected).with_source(error)
}
