//! The socket of a monitored program.

use std::path::PathBuf;

use anyhow::{Context, Result};
use tallybook::{ReportSocket, Settings};

/// Returns the requested socket, else that of `DB_MONITOR_SOCKET`.
pub(crate) fn choose_socket(asked: Option<PathBuf>) -> Result<ReportSocket> {
    let setting = || Ok::<_, tallybook::Error>(Settings::from_env()?.monitor.socket);
    let path = asked.map_or_else(setting, |path| Ok(Some(path)))?;
    path.map(ReportSocket::new).context(
        "no socket: name one, or set DB_MONITOR_SOCKET\n\
         next: set DB_MONITOR_SOCKET=/path/to.sock in the program to watch, start it, then \
         tallybook watch /path/to.sock",
    )
}
