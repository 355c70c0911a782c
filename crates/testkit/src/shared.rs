use std::{fs::File, sync::OnceLock};

use tokio::task::spawn_blocking;

use crate::{
    Cluster, Database, Error, Template,
    address::Address,
    admin_connection::AdminConnection,
    identifier::identifier,
    random,
    reaper::Reaper,
    server::Server,
    state::{Record, State},
    watchdog,
};

/// The PostgreSQL server that all processes of a test run share; see [`postgres()`].
#[derive(Debug)]
pub struct Postgres {
    admin_connection: AdminConnection,
    /// Its lock marks the server as in use by this process.
    _use: File,
}

/// Returns the shared server. The first test of a run starts it.
///
/// # Panics
///
/// If it cannot be started, with a message that says what to do.
pub async fn postgres() -> &'static Postgres {
    watchdog::watch();
    static SERVER: OnceLock<Result<Postgres, Error>> = OnceLock::new();
    let server = spawn_blocking(|| SERVER.get_or_init(Postgres::join_or_start)).await;
    match server.expect("starting PostgreSQL does not panic") {
        Ok(server) => server,
        Err(error) => panic!("{error}"),
    }
}

impl Postgres {
    /// Creates an empty database, with the test's name in its own for people who inspect the server.
    ///
    /// # Panics
    ///
    /// If the server refuses.
    pub async fn database(&self, name: &str) -> Database {
        // The other default, template1, cannot be copied while a client is connected to it.
        self.copy("template0", name).await
    }

    /// Creates a database as a copy of the template.
    ///
    /// # Panics
    ///
    /// If the server refuses.
    pub async fn database_from(&self, template: &Template, name: &str) -> Database {
        self.copy(template.name(), name).await
    }

    /// Returns the template of that name. `setup` gets the URL of an empty database and fills it. It is called
    /// only if no test of this program has built the template before.
    ///
    /// # Panics
    ///
    /// If the server refuses, or `setup` panics. The next test then begins again with an empty database.
    pub async fn template(&self, name: &str, setup: impl AsyncFnOnce(String)) -> Template {
        match Template::find_or_build(self.admin_connection.address(), name, setup).await {
            Ok(template) => template,
            Err(error) => panic!("cannot build the template {name}: {error:?}"),
        }
    }

    async fn copy(&self, template: &str, name: &str) -> Database {
        let suffix = random::hex::<4>().expect("/dev/urandom can be read");
        let name = identifier(name, &suffix);
        match Database::create(&self.admin_connection, name, template).await {
            Ok(database) => database,
            Err(error) => panic!("cannot create a database from {template}: {error:?}"),
        }
    }

    fn join_or_start() -> Result<Self, Error> {
        let state = State::of_this_user("");
        let _lock = state.lock()?;
        let address = match state.record() {
            Some(record) if Server::runs_in(&record.directory) => record.address,
            dead => start(&state, dead)?,
        };
        Ok(Self { admin_connection: AdminConnection::of(address), _use: state.lock_use()? })
    }
}

/// Starts a server, possibly in place of one that a reboot ended together with its reaper.
fn start(state: &State, dead: Option<Record>) -> Result<Address, Error> {
    if let Some(dead) = dead {
        Reaper::clean(&dead.directory)?;
    }
    let cluster = Cluster::start_shared()?;
    let record = Record { address: cluster.address().clone(), directory: cluster.directory().into() };
    state.write_record(&record)?;
    state.keep(cluster.into_reaper())?;
    Ok(record.address)
}
