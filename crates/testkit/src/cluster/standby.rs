use std::{
    thread,
    time::{Duration, Instant},
};

use super::Cluster;
use crate::{Binaries, Error, address::Address, log_disk, replication::Replication, server::Server};

const TIMEOUT: Duration = Duration::from_secs(60);

impl Cluster {
    /// Starts a streaming standby of this server, on a port of its own, and waits until it answers. It is a copy
    /// by `pg_basebackup` with a replication slot. There can be several, and standbys of a standby.
    pub fn standby(&self) -> Result<Self, Error> {
        self.standby_prepared(|_| Ok(()))
    }

    /// As [`standby`](Self::standby), with its log on a small disk that [`fill_log_disk`](Self::fill_log_disk) can
    /// fill. Mounting it requires root.
    pub fn standby_with_log_disk(&self) -> Result<Self, Error> {
        self.standby_prepared(|server| log_disk::mount(&server.log_directory(), server.os_user()))
    }

    fn standby_prepared(&self, prepare: impl FnOnce(&Server) -> Result<(), Error>) -> Result<Self, Error> {
        let server = Server::new(Binaries::find()?)?;
        prepare(&server)?;
        Replication::from(&self.address)?.copy_to(&server)?;
        let port = server.start()?;
        Ok(Self { server, address: Address { port, password: self.address.password.clone() } })
    }

    /// Waits until this standby has replayed everything that `primary` has written.
    pub fn catch_up(&self, primary: &Self) -> Result<(), Error> {
        // Writes a record, because otherwise the log may end in the middle of one.
        let end = primary.address.ask_blocking("SELECT pg_logical_emit_message(true, '', '')")?;
        let reached = format!("SELECT pg_last_wal_replay_lsn() >= '{end}'");
        let start = Instant::now();
        while self.address.ask_blocking(&reached)? != "t" {
            if start.elapsed() > TIMEOUT {
                return Err(Error::new(format!("the standby has not replayed the log up to {end}")));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Promotes the standby, as `pg_ctl promote` does, and waits until it accepts writes. It begins a new
    /// timeline.
    pub fn promote(&self) -> Result<(), Error> {
        self.server.control(&["promote", "--wait"])
    }

    /// Makes a running standby follow another primary, for example the one promoted in place of its own.
    pub fn follow(&self, primary: &Self) -> Result<(), Error> {
        let replication = Replication::from(&primary.address)?;
        replication.create_slot()?;
        replication.apply_to(&self.server)?;
        self.configure(&[])
    }

    /// Makes a former primary, running or not, a standby of the one promoted in its place. `pg_rewind` undoes what
    /// only the former primary has written.
    pub fn rejoin(&self, primary: &Self) -> Result<(), Error> {
        if Server::runs_in(self.directory()) {
            self.shut_down()?;
        }
        self.server.wait_for_end()?;
        // Otherwise the new primary may not yet report that it has a new timeline.
        primary.address.ask_blocking("CHECKPOINT")?;
        let replication = Replication::from(&primary.address)?;
        replication.create_slot()?;
        replication.rewind(&self.server)?;
        replication.apply_to(&self.server)?;
        self.start_again()
    }
}
