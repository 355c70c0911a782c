mod faults;
mod standby;

use std::path::Path;

use crate::{
    Authority, Binaries, Error, address::Address, prepared::Prepared, server::Server, supervisor::Supervisor,
    watchdog,
};

/// A PostgreSQL server of one's own, on an empty data directory.
///
/// It is stopped, and its directory removed, when it is dropped; and also
/// when the process that owns it dies without a chance to drop anything.
///
/// What is done to it blocks the thread: in a test whose tasks go on
/// meanwhile, call it within `tokio::task::block_in_place`.
#[derive(Debug)]
pub struct Cluster {
    server: Server,
    address: Address,
}

impl Cluster {
    /// Starts a server on a free port of 127.0.0.1 and waits until it answers.
    pub fn start() -> Result<Self, Error> {
        Self::start_prepared(|_| Ok(()))
    }

    /// Starts a server that offers TLS, with a certificate for the name
    /// `localhost` and not for the address 127.0.0.1.
    ///
    /// Whoever connects to the database `certified` needs a client
    /// certificate and no password. The database `encrypted` is for encrypted
    /// connections only, and `in_clear` for the others only. None of the three
    /// exists until it is created.
    pub fn start_with_tls(authority: &Authority) -> Result<Self, Error> {
        Self::start_prepared(|server| server.offer_tls(authority))
    }

    /// Starts the server that all tests share.
    pub(crate) fn start_shared() -> Result<Self, Error> {
        Self::start_prepared(Server::make_shared)
    }

    fn start_prepared(prepare: impl FnOnce(&Server) -> Result<(), Error>) -> Result<Self, Error> {
        watchdog::watch();
        let binaries = Binaries::find()?;
        let prepared = Prepared::find_or_make(&binaries)?;
        let server = Server::new(binaries)?;
        prepared.copy_to(&server)?;
        server.configure_for_tests()?;
        prepare(&server)?;
        let port = server.start()?;
        Ok(Self { server, address: Address { port, password: prepared.password().to_owned() } })
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

    /// What the server has written into its log since it was started.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log_text()
    }

    /// Kills the server without a clean end, as `pg_ctl restart -m immediate`
    /// does, and waits until it has recovered and answers on the same port.
    pub fn restart_immediately(&self) -> Result<(), Error> {
        self.server.restart_immediately()
    }

    /// The same, after which the server is a standby: it only reads.
    pub fn restart_as_standby(&self) -> Result<(), Error> {
        self.server.make_standby()?;
        self.server.restart_immediately()
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
