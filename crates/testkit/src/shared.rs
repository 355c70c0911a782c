use std::{fs::File, sync::OnceLock};

use tokio::task::spawn_blocking;

use crate::{
    Cluster, Database, Error, Template,
    address::Address,
    administrator::Administrator,
    identifier::identifier,
    random,
    server::Server,
    state::{Record, State},
    supervisor::Supervisor,
    watchdog,
};

/// The PostgreSQL server that all tests of a run share, in all their
/// processes; see [`postgres()`].
#[derive(Debug)]
pub struct Postgres {
    administrator: Administrator,
    /// Tells, by being locked, that this process uses the server.
    _use: File,
}

/// The shared server; the first test of a run starts it.
///
/// # Panics
///
/// If it cannot be started, with a text that says what to do about it.
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
    /// A new, empty database, named after the test for the sake of whoever
    /// looks at the server.
    ///
    /// # Panics
    ///
    /// If the server refuses.
    pub async fn database(&self, name: &str) -> Database {
        // The other default, template1, cannot be copied while somebody is
        // connected to it.
        self.copy("template0", name).await
    }

    /// A new database with all that is in the template.
    ///
    /// # Panics
    ///
    /// If the server refuses.
    pub async fn database_from(&self, template: &Template, name: &str) -> Database {
        self.copy(template.name(), name).await
    }

    /// The template of that name. `setup` fills it, by the URL of an empty
    /// database; it is called only if no test of this program has built the
    /// template before.
    ///
    /// # Panics
    ///
    /// If the server refuses, and where `setup` panics. The next test then
    /// starts over with an empty database.
    pub async fn template(&self, name: &str, setup: impl AsyncFnOnce(String)) -> Template {
        match Template::find_or_build(self.administrator.address(), name, setup).await {
            Ok(template) => template,
            Err(error) => panic!("cannot build the template {name}: {error:?}"),
        }
    }

    async fn copy(&self, template: &str, name: &str) -> Database {
        let suffix = random::hex::<4>().expect("/dev/urandom can be read");
        let name = identifier(name, &suffix);
        match Database::create(&self.administrator, name, template).await {
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
        Ok(Self { administrator: Administrator::of(address), _use: state.lock_use()? })
    }
}

/// Starts a server, perhaps in the place of one that a reboot has ended
/// together with all that should have removed it.
fn start(state: &State, dead: Option<Record>) -> Result<Address, Error> {
    if let Some(dead) = dead {
        Supervisor::clean(&dead.directory)?;
    }
    let cluster = Cluster::start_shared()?;
    let record = Record { address: cluster.address().clone(), directory: cluster.directory().into() };
    state.write_record(&record)?;
    state.keep(cluster.into_supervisor())?;
    Ok(record.address)
}
