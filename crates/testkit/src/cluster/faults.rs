use std::{
    thread,
    time::{Duration, Instant},
};

use super::Cluster;
use crate::{Error, log_disk};

const PATIENCE: Duration = Duration::from_secs(20);
const LOADED: &str = "SELECT pg_conf_load_time()";

impl Cluster {
    /// Kills all processes of the server with signal 9 at once: what a power
    /// failure looks like from elsewhere, but for connections, which the
    /// system closes. [`start_again`](Self::start_again) brings it back.
    pub fn kill(&self) -> Result<(), Error> {
        self.server.processes()?.kill()
    }

    /// Ends the server in good order, as `pg_ctl stop -m fast` does: sessions
    /// are ended, the log is flushed and sent to the standbys.
    pub fn shut_down(&self) -> Result<(), Error> {
        self.server.control(&["stop", "--mode", "fast", "--wait"])
    }

    /// Starts a server that was killed or shut down, on the same port, and
    /// waits until it answers.
    pub fn start_again(&self) -> Result<(), Error> {
        self.server.start_again(self.port())
    }

    /// Stops all processes of the server in the middle of whatever they do
    /// (SIGSTOP). Connections stay open, and new ones are accepted by the
    /// system, but nothing is answered until [`resume`](Self::resume).
    pub fn hang(&self) -> Result<(), Error> {
        self.server.processes()?.stop().map(drop)
    }

    /// Lets a server go on that hangs.
    pub fn resume(&self) -> Result<(), Error> {
        self.server.processes()?.resume()
    }

    /// Changes settings of the running server, and waits until it has read
    /// them. Sessions that are open take them over at their next statement.
    pub fn configure(&self, settings: &[(&str, &str)]) -> Result<(), Error> {
        let before = self.address.ask_blocking(LOADED)?;
        for (name, value) in settings {
            self.server.set(name, value)?;
        }
        self.server.control(&["reload"])?;
        let start = Instant::now();
        while self.address.ask_blocking(LOADED)? == before {
            if start.elapsed() > PATIENCE {
                return Err(Error::new("the server does not read its settings"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Leaves no room on the disk under the log of a
    /// [`standby_with_log_disk`](Self::standby_with_log_disk). The standby
    /// notices when it needs a new file, of 16 MiB, for its log: switch files
    /// (`pg_switch_wal()`) on its primary, or write as much.
    pub fn fill_log_disk(&self) -> Result<(), Error> {
        log_disk::fill(&self.server.log_directory())
    }

    /// Gives the room back.
    pub fn clear_log_disk(&self) -> Result<(), Error> {
        log_disk::clear(&self.server.log_directory())
    }
}
