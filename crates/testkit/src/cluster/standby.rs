use std::{
    thread,
    time::{Duration, Instant},
};

use super::Cluster;
use crate::{Binaries, Error, address::Address, log_disk, replication::Replication, server::Server};

const PATIENCE: Duration = Duration::from_secs(60);

impl Cluster {
    /// Starts a streaming standby of this server, on a port of its own, and
    /// waits until it answers. It is a copy by `pg_basebackup` and has a
    /// replication slot; there can be several, and standbys of a standby.
    pub fn standby(&self) -> Result<Self, Error> {
        self.standby_prepared(|_| Ok(()))
    }

    /// The same, with its log on a small disk of its own, which
    /// [`fill_log_disk`](Self::fill_log_disk) can fill. It is mounted, which
    /// takes root.
    pub fn standby_with_log_disk(&self) -> Result<Self, Error> {
        self.standby_prepared(|server| log_disk::mount(&server.log_directory(), server.account()))
    }

    fn standby_prepared(&self, prepare: impl FnOnce(&Server) -> Result<(), Error>) -> Result<Self, Error> {
        let server = Server::new(Binaries::find()?)?;
        prepare(&server)?;
        Replication::from(&self.address)?.copy_to(&server)?;
        let port = server.start()?;
        Ok(Self { server, address: Address { port, password: self.address.password.clone() } })
    }

    /// Waits until this standby has replayed all that `primary` has written.
    pub fn catch_up(&self, primary: &Self) -> Result<(), Error> {
        // A record of its own: where the log ends otherwise may be the middle of nothing yet.
        let end = primary.address.ask_blocking("SELECT pg_logical_emit_message(true, '', '')")?;
        let reached = format!("SELECT pg_last_wal_replay_lsn() >= '{end}'");
        let start = Instant::now();
        while self.address.ask_blocking(&reached)? != "t" {
            if start.elapsed() > PATIENCE {
                return Err(Error::new(format!("the standby has not replayed the log up to {end}")));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Makes a primary of a standby, as `pg_ctl promote` does, and waits until
    /// it can be written to. Its timeline is a new one.
    pub fn promote(&self) -> Result<(), Error> {
        self.server.control(&["promote", "--wait"])
    }

    /// Lets a running standby follow another primary, for instance the one
    /// that was promoted in the place of its own.
    pub fn follow(&self, primary: &Self) -> Result<(), Error> {
        let replication = Replication::from(&primary.address)?;
        replication.create_slot()?;
        replication.apply_to(&self.server)?;
        self.configure(&[])
    }

    /// Makes a former primary, running or not, a standby of the one that was
    /// promoted in its place. What it alone has written is undone by
    /// `pg_rewind`.
    pub fn rejoin(&self, primary: &Self) -> Result<(), Error> {
        if Server::runs_in(self.directory()) {
            self.shut_down()?;
        }
        self.server.wait_for_end()?;
        // Without this the new primary may not yet say that it has a timeline
        // of its own.
        primary.address.ask_blocking("CHECKPOINT")?;
        let replication = Replication::from(&primary.address)?;
        replication.create_slot()?;
        replication.rewind(&self.server)?;
        replication.apply_to(&self.server)?;
        self.start_again()
    }
}
