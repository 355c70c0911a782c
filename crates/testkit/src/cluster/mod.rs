mod faults;
mod standby;

use std::path::Path;

use crate::{
    Binaries, CertificateAuthority, Error, address::Address, initdb_cache::InitdbCache, reaper::Reaper,
    server::Server, watchdog,
};

/// A PostgreSQL server of the test's own, on an empty data directory.
///
/// It is stopped and its directory removed when this is dropped, and also when the owning process dies without
/// running destructors.
///
/// All methods block the thread. In a test whose tasks have to continue meanwhile, call them within
/// `tokio::task::block_in_place`.
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

    /// Starts a server with TLS, with a certificate for the name `localhost` but not for the address 127.0.0.1.
    ///
    /// The database `certified` requires a client certificate and no password. The database `encrypted` accepts
    /// only encrypted connections, and `in_clear` only unencrypted ones. Tests create these databases themselves.
    pub fn start_with_tls(authority: &CertificateAuthority) -> Result<Self, Error> {
        Self::start_prepared(|server| server.offer_tls(authority))
    }

    /// Starts the server that all tests share.
    pub(crate) fn start_shared() -> Result<Self, Error> {
        Self::start_prepared(Server::make_shared)
    }

    fn start_prepared(prepare: impl FnOnce(&Server) -> Result<(), Error>) -> Result<Self, Error> {
        watchdog::watch();
        let binaries = Binaries::find()?;
        let prepared = InitdbCache::find_or_make(&binaries)?;
        let server = Server::new(binaries)?;
        prepared.copy_to(&server)?;
        server.configure_for_tests()?;
        prepare(&server)?;
        let port = server.start()?;
        Ok(Self { server, address: Address { port, password: prepared.password().to_owned() } })
    }

    /// Returns the URL of a database on the server, for its superuser `tallybook`. A new server has the database
    /// `postgres`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.address.url(database)
    }

    /// Returns the port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port
    }

    /// Returns the superuser's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.address.password
    }

    /// Returns the server's directory, which contains the data directory `data`, the `log` and the socket.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.server.directory()
    }

    /// Returns the server's log since its last start.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log_text()
    }

    /// Kills the server without a clean shutdown, as `pg_ctl restart -m immediate` does, and waits until it has
    /// recovered and answers on the same port.
    pub fn restart_immediately(&self) -> Result<(), Error> {
        self.server.restart_immediately()
    }

    /// As [`restart_immediately`](Self::restart_immediately), but the server comes back as a read-only standby.
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

    /// Detaches the server from this process: its reaper owns it from now on.
    pub(crate) fn into_reaper(self) -> Reaper {
        self.server.into_reaper()
    }
}
