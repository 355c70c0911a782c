use std::{
    thread,
    time::{Duration, Instant},
};

use super::Cluster;
use crate::{Error, log_disk};

const TIMEOUT: Duration = Duration::from_secs(20);
const LOADED: &str = "SELECT pg_conf_load_time()";

impl Cluster {
    /// Kills all processes of the server with SIGKILL at once. To other machines it looks like a power failure,
    /// except that the system closes the connections. [`start_again`](Self::start_again) starts it again.
    pub fn kill(&self) -> Result<(), Error> {
        self.server.processes()?.kill()
    }

    /// Shuts the server down cleanly, as `pg_ctl stop -m fast` does: it ends sessions, flushes the log and sends
    /// it to the standbys.
    pub fn shut_down(&self) -> Result<(), Error> {
        self.server.control(&["stop", "--mode", "fast", "--wait"])
    }

    /// Starts a server that was killed or shut down, on the same port, and waits until it answers.
    pub fn start_again(&self) -> Result<(), Error> {
        self.server.start_again(self.port())
    }

    /// Freezes all processes of the server (SIGSTOP). Connections stay open and the system accepts new ones, but
    /// nothing answers until [`resume`](Self::resume).
    pub fn hang(&self) -> Result<(), Error> {
        self.server.processes()?.stop().map(drop)
    }

    /// Resumes a frozen server.
    pub fn resume(&self) -> Result<(), Error> {
        self.server.processes()?.resume()
    }

    /// Changes settings of the running server, and waits until it has read them. Open sessions adopt them at their
    /// next statement.
    pub fn configure(&self, settings: &[(&str, &str)]) -> Result<(), Error> {
        let before = self.address.ask_blocking(LOADED)?;
        for (name, value) in settings {
            self.server.set(name, value)?;
        }
        self.server.control(&["reload"])?;
        let start = Instant::now();
        while self.address.ask_blocking(LOADED)? == before {
            if start.elapsed() > TIMEOUT {
                return Err(Error::new("the server does not read its settings"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Fills the disk that holds the log of a [`standby_with_log_disk`](Self::standby_with_log_disk). The standby
    /// fails when it needs a new log file of 16 MiB: call `pg_switch_wal()` on its primary repeatedly, or write as
    /// much.
    pub fn fill_log_disk(&self) -> Result<(), Error> {
        log_disk::fill(&self.server.log_directory())
    }

    /// Frees the disk again.
    pub fn clear_log_disk(&self) -> Result<(), Error> {
        log_disk::clear(&self.server.log_directory())
    }
}
