use std::path::Path;

use crate::{Binaries, Error, address::Address, random, server::Server, supervisor::Supervisor};

/// A PostgreSQL server of one's own, on an empty data directory.
///
/// It is stopped, and its directory removed, when it is dropped; and also
/// when the process that owns it dies without a chance to drop anything.
#[derive(Debug)]
pub struct Cluster {
    server: Server,
    address: Address,
}

impl Cluster {
    /// Starts a server on a free port of 127.0.0.1 and waits until it answers.
    pub fn start() -> Result<Self, Error> {
        let server = Server::new(Binaries::find()?)?;
        let password = random::hex::<16>()?;
        server.initialise(&password)?;
        let port = server.start()?;
        Ok(Self { server, address: Address { port, password } })
    }

    /// The URL of one of the server's databases, as its superuser
    /// `tallybook`. A new server has the database `postgres`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.address.url(database)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port
    }

    /// The superuser's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.address.password
    }

    /// The directory that holds all of the server: its data directory `data`,
    /// its `log` and its socket.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.server.directory()
    }

    /// Stops the server and removes its directory, as dropping it does.
    pub fn stop(self) {
        drop(self);
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Lets the server live on without this process, under its supervisor.
    pub(crate) fn into_supervisor(self) -> Supervisor {
        self.server.into_supervisor()
    }
}
