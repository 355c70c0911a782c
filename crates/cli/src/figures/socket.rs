//! The socket of a monitored program.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::de::DeserializeOwned;
use tallybook::{Report, Settings, Workload};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::recording::{MAX_REPORT, TOO_LONG};

/// Time limit for an answer: longer than a program takes to disconnect readers that block it.
const LIMIT: Duration = Duration::from_secs(5);

/// The path at which a program serves its figures.
#[derive(Clone, Debug)]
pub(crate) struct Socket(PathBuf);

impl Socket {
    /// Returns the requested socket, else that of `DB_MONITOR_SOCKET`.
    pub(crate) fn choose(asked: Option<PathBuf>) -> Result<Self> {
        let setting = || Ok::<_, tallybook::Error>(Settings::from_env()?.monitor.socket);
        let path = asked.map_or_else(setting, |path| Ok(Some(path)))?;
        path.map(Self).context(
            "no socket: name one, or set DB_MONITOR_SOCKET\n\
             next: set DB_MONITOR_SOCKET=/path/to.sock in the program to watch, start it, then \
             tallybook watch /path/to.sock",
        )
    }

    /// Reads the program's current report.
    pub(crate) async fn report(&self) -> Result<Report> {
        self.ask("report\n").await
    }

    /// Reads the program's workload: its statements, with row values as parameters.
    pub(crate) async fn workload(&self) -> Result<Workload> {
        self.ask("workload\n").await
    }

    async fn ask<T: DeserializeOwned>(&self, request: &str) -> Result<T> {
        let text = timeout(LIMIT, self.read(request)).await;
        let path = self.0.display();
        let text = text.map_err(|_| anyhow!("{path} did not answer within {} s", LIMIT.as_secs()))??;
        if text.is_empty() {
            bail!("{path} closed without an answer");
        }
        serde_json::from_slice(&text).with_context(|| {
            format!("{path} is served by something else, or by a different version of Tallybook")
        })
    }

    async fn read(&self, request: &str) -> Result<Vec<u8>> {
        let path = self.0.display();
        let mut stream = UnixStream::connect(&self.0).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => anyhow!(
                "no program serves {path}\nnext: set DB_MONITOR_SOCKET={path} in the program to watch and start it"
            ),
            ErrorKind::ConnectionRefused => anyhow!(
                "no program serves {path} any more: it ended without removing it, or it is not a socket\n\
                 next: start the program to watch with DB_MONITOR_SOCKET={path}"
            ),
            ErrorKind::PermissionDenied => {
                anyhow!("{path} belongs to another user\nnext: watch as the user who runs the program")
            }
            _ => anyhow!("cannot connect to {path}: {error}"),
        })?;
        stream.write_all(request.as_bytes()).await.with_context(|| format!("cannot write to {path}"))?;
        let mut text = Vec::new();
        let mut report = (&mut stream).take(MAX_REPORT + 1);
        report.read_to_end(&mut text).await.with_context(|| format!("cannot read from {path}"))?;
        if text.len() as u64 > MAX_REPORT {
            bail!("{path} sends {TOO_LONG}");
        }
        Ok(text)
    }
}
