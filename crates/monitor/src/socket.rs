//! The Unix socket where `tallybook watch` reads reports and `tallybook advise` reads the workload.
//!
//! A client may send one line, the name of what it wants: `report` or `workload`. It receives that as one line of JSON,
//! then end of file. A client that sends nothing and closes its writing half, or waits, receives the report.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tallybook_sql::error::{Error, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::report::Report;
use super::workload::Workload;

const SETTING: &str = "DB_MONITOR_SOCKET";
/// Clients served at once; further ones wait.
const MAX_CLIENTS: usize = 8;
/// Time limit for answering one client.
const IO_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for a client to say what it wants.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(500);
/// Bytes of the longest request, line end included.
const MAX_REQUEST: u64 = 16;
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

/// The request of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketRequest {
    /// The report, which has no row values in it.
    Report,
    /// The workload, which has.
    Workload,
}

/// The answer to a client.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum SocketAnswer {
    /// To [`SocketRequest::Report`].
    Report(Box<Report>),
    /// To [`SocketRequest::Workload`].
    Workload(Box<Workload>),
}

/// Serves `answer` at `path` until the [`SocketServer`] is dropped. A client gets nothing if `answer` returns `None`.
/// Must be called on a Tokio runtime.
///
/// `answer` should hold the database weakly, or the serving task keeps it open.
///
/// # Errors
///
/// A settings error if another process serves `path`, if `path` is not a socket, or if no socket can be
/// created there.
pub async fn serve(
    path: &Path,
    answer: impl Fn(SocketRequest) -> Option<SocketAnswer> + Send + Sync + 'static,
) -> Result<SocketServer> {
    remove_stale_socket(path).await?;
    let (listener, file, owner) = bind(path).map_err(|error| cannot_bind(path, error))?;
    let task = tokio::spawn(accept(listener, owner, Arc::new(answer)));
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

async fn accept(
    listener: UnixListener,
    owner: u32,
    answer: Arc<impl Fn(SocketRequest) -> Option<SocketAnswer> + Send + Sync + 'static>,
) {
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
        let answer = Arc::clone(&answer);
        tokio::spawn(async move {
            let _ = timeout(IO_TIMEOUT, serve_client(client, &*answer)).await;
            drop(permit);
        });
    }
}

async fn serve_client(
    mut client: UnixStream,
    answer: &(impl Fn(SocketRequest) -> Option<SocketAnswer> + Sync),
) -> io::Result<()> {
    let Some(answer) = read_request(&mut client).await?.and_then(answer) else { return Ok(()) };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    client.write_all(&line).await?;
    client.shutdown().await
}

/// Reads what a client wants; `None` if that is unknown.
async fn read_request(client: &mut UnixStream) -> io::Result<Option<SocketRequest>> {
    let mut line = Vec::new();
    let mut bytes = client.take(MAX_REQUEST);
    let reading = async {
        while !line.ends_with(b"\n") && bytes.read_buf(&mut line).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    // Clients of earlier versions send nothing and wait for the report.
    if let Ok(read) = timeout(REQUEST_TIMEOUT, reading).await {
        read?;
    }
    Ok(match line.trim_ascii_end() {
        b"" | b"report" => Some(SocketRequest::Report),
        b"workload" => Some(SocketRequest::Workload),
        _ => None,
    })
}

fn invalid_setting(path: &Path, expected: &str) -> Error {
    Error::setting(SETTING, path.display().to_string(), expected)
}

fn cannot_bind(path: &Path, error: io::Error) -> Error {
    let expected = format!("a path in a directory where the program may make a socket: {error}");
    invalid_setting(path, &expected).with_source(error)
}
