use crate::{Error, address::Address, random, server::Server};

/// The connection of a standby to its primary, and the replication slot that retains the log for it.
#[derive(Debug)]
pub(crate) struct Replication<'a> {
    primary: &'a Address,
    slot: String,
}

impl<'a> Replication<'a> {
    pub(crate) fn from(primary: &'a Address) -> Result<Self, Error> {
        Ok(Self { primary, slot: format!("standby_{}", random::hex::<4>()?) })
    }

    /// Fills a data directory with a base backup of the primary, and creates the slot.
    pub(crate) fn copy_to(&self, server: &Server) -> Result<(), Error> {
        let mut copy = server.command("pg_basebackup");
        copy.arg("--dbname").arg(self.primary.parameters());
        copy.env("PGPASSWORD", &self.primary.password);
        copy.arg("--pgdata").arg(server.data());
        copy.arg("--waldir").arg(server.log_directory());
        copy.args(["--create-slot", "--slot", &self.slot]);
        copy.args(["--checkpoint", "fast", "--wal-method", "stream", "--no-sync"]);
        server.run(&mut copy)?;
        self.apply_to(server)
    }

    /// Creates the slot on a primary from which nothing was copied.
    pub(crate) fn create_slot(&self) -> Result<(), Error> {
        let sql = format!("SELECT pg_create_physical_replication_slot('{}', true)", self.slot);
        self.primary.ask_blocking(&sql).map(drop)
    }

    /// Undoes what a stopped server has written since the primary's timeline diverged. The primary's settings come
    /// with its data.
    pub(crate) fn rewind(&self, server: &Server) -> Result<(), Error> {
        let mut rewind = server.command("pg_rewind");
        rewind.arg("--target-pgdata").arg(server.data());
        rewind.arg("--source-server").arg(format!("{} dbname=postgres", self.primary.parameters()));
        rewind.env("PGPASSWORD", &self.primary.password).arg("--no-sync");
        server.run(&mut rewind)
    }

    /// Configures the server as a standby of the primary, effective at its next start; for a running standby, at
    /// its next reload.
    pub(crate) fn apply_to(&self, server: &Server) -> Result<(), Error> {
        let Self { primary, slot } = self;
        let password = &primary.password;
        let parameters = format!("{} password={password} application_name={slot}", primary.parameters());
        server.set("primary_conninfo", &parameters)?;
        server.set("primary_slot_name", slot)?;
        server.make_standby()
    }
}
