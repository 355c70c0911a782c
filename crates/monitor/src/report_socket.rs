//! Reads reports of other programs.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::report::Report;
use super::workload::Workload;

/// Time limit for an answer: longer than a program takes to disconnect readers that block it.
const LIMIT: Duration = Duration::from_secs(5);

/// Bytes to make room for before each read of an answer.
const READ: usize = 64 << 10;

/// The socket at which a program with `DB_MONITOR_SOCKET` serves its reports.
#[derive(Clone, Debug)]
pub struct ReportSocket(PathBuf);

/// Why a report could not be read. Its text names the socket and the next step.
#[derive(Debug)]
pub struct ReportSocketError {
    path: PathBuf,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    Connect(io::Error),
    Read(io::Error),
    Silent,
    Empty,
    TooLong,
    NoReport(serde_json::Error),
}

impl ReportSocket {
    /// Maximum size of a report, in bytes: a statement takes about 1 KB, and `DB_MONITOR_STATEMENTS` of them are kept.
    pub const MAX_REPORT: u64 = 32 << 20;

    /// Names the socket. Nothing is connected yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Returns the path of the socket.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the program's current report.
    ///
    /// # Errors
    /// If no program serves the socket, it belongs to another user, or the program does not answer with a report within five
    /// seconds.
    pub async fn report(&self) -> Result<Report, ReportSocketError> {
        self.ask("report\n").await
    }

    /// Reads the program's workload: its statements, with row values as parameters.
    ///
    /// # Errors
    /// As [`ReportSocket::report`].
    pub async fn workload(&self) -> Result<Workload, ReportSocketError> {
        self.ask("workload\n").await
    }

    async fn ask<T: DeserializeOwned>(&self, request: &str) -> Result<T, ReportSocketError> {
        let failed = |reason| ReportSocketError { path: self.0.clone(), reason };
        let text = timeout(LIMIT, self.read(request)).await.unwrap_or(Err(Reason::Silent)).map_err(failed)?;
        if text.is_empty() {
            return Err(failed(Reason::Empty));
        }
        serde_json::from_slice(&text).map_err(|error| failed(Reason::NoReport(error)))
    }

    async fn read(&self, request: &str) -> Result<Vec<u8>, Reason> {
        let mut stream = UnixStream::connect(&self.0).await.map_err(Reason::Connect)?;
        // A program that has answered and closed already is read all the same.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = (&mut stream).take(Self::MAX_REPORT + 1);
        let mut text = Vec::with_capacity(READ);
        while answer.read_buf(&mut text).await.map_err(Reason::Read)? > 0 {
            // Something else may greet and then wait for ever; a report is an object.
            if text[0] != b'{' {
                break;
            }
            text.reserve(READ);
        }
        if text.len() as u64 > Self::MAX_REPORT { Err(Reason::TooLong) } else { Ok(text) }
    }
}

impl fmt::Display for ReportSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.reason {
            Reason::Connect(error) => match error.kind() {
                ErrorKind::NotFound => write!(
                    f,
                    "no program serves {path}\nnext: set DB_MONITOR_SOCKET={path} in the program to watch and start it"
                ),
                ErrorKind::ConnectionRefused => write!(
                    f,
                    "no program serves {path} any more: it ended without removing it, or it is not a socket\n\
                     next: start the program to watch with DB_MONITOR_SOCKET={path}"
                ),
                ErrorKind::PermissionDenied => {
                    write!(f, "{path} belongs to another user\nnext: watch as the user who runs the program")
                }
                _ => write!(f, "cannot connect to {path}: {error}"),
            },
            Reason::Read(error) => write!(f, "cannot read from {path}: {error}"),
            Reason::Silent => write!(f, "{path} did not answer within {} s", LIMIT.as_secs()),
            Reason::Empty => write!(f, "{path} closed without an answer"),
            Reason::TooLong => write!(
                f,
                "{path} sends more than 32 MiB: not a program's report, or one of too many statements; see DB_MONITOR_STATEMENTS"
            ),
            Reason::NoReport(_) => {
                write!(f, "{path} is served by something else, or by a different version of Tallybook")
            }
        }
    }
}

impl Error for ReportSocketError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.reason {
            Reason::NoReport(error) => Some(error),
            _ => None,
        }
    }
}
