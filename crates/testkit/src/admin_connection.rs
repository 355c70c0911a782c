use std::{
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use tokio::{runtime, sync::Mutex};
use tokio_postgres::Client;

use crate::{Error, address::Address};

/// Time for the sessions of a test to end by themselves. `DROP DATABASE` waits for them, too, but looks only each 100 ms.
const ENDING: Duration = Duration::from_millis(20);

/// The connections over which this process creates and drops databases on the shared server. They are opened once,
/// because opening one costs as much as a small test. There are two, so that no test that begins waits for the end of another.
#[derive(Debug, Clone)]
pub(crate) struct AdminConnection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: Address,
    /// Drives the connections, which outlive the runtimes of all tests.
    runtime: OnceLock<runtime::Runtime>,
    creating: Mutex<Option<Session>>,
    dropping: Mutex<Option<Session>>,
}

#[derive(Debug)]
struct Session {
    client: Client,
    /// The `STRATEGY` clause of `CREATE DATABASE`.
    strategy: &'static str,
}

impl AdminConnection {
    pub(crate) fn of(address: Address) -> Self {
        Self(Arc::new(Inner {
            address,
            runtime: OnceLock::new(),
            creating: Mutex::default(),
            dropping: Mutex::default(),
        }))
    }

    pub(crate) fn address(&self) -> &Address {
        &self.0.address
    }

    /// Creates a database as a copy of another one.
    pub(crate) async fn create(&self, name: &str, template: &str) -> Result<(), tokio_postgres::Error> {
        let mut session = self.0.creating.lock().await;
        let session = self.connected(&mut session).await?;
        let strategy = session.strategy;
        let sql = format!(r#"CREATE DATABASE "{name}" TEMPLATE "{template}" {strategy}"#);
        session.client.batch_execute(&sql).await
    }

    /// Drops a database and disconnects its clients. Blocks, for use in `drop`.
    pub(crate) fn drop_blocking(&self, name: &str) -> Result<(), Error> {
        let drop = async {
            tokio::time::sleep(ENDING).await;
            let mut session = self.0.dropping.lock().await;
            let session = self.connected(&mut session).await?;
            session.client.batch_execute(&format!(r#"DROP DATABASE "{name}" WITH (FORCE)"#)).await
        };
        let dropped = thread::scope(|scope| {
            let work = scope.spawn(|| self.runtime().block_on(drop));
            work.join().expect("nothing panics here")
        });
        dropped.map_err(|error: tokio_postgres::Error| Error::new(format!("{name}: {error:?}")))
    }

    /// Returns the connection; opens it if there is none or the last one was lost.
    async fn connected<'a>(
        &self,
        session: &'a mut Option<Session>,
    ) -> Result<&'a Session, tokio_postgres::Error> {
        if session.as_ref().is_none_or(|session| session.client.is_closed()) {
            let client = self.0.address.connect_within(self.runtime().handle()).await?;
            *session = Some(Session { strategy: strategy(&client).await?, client });
        }
        Ok(session.as_ref().expect("it was opened just now"))
    }

    fn runtime(&self) -> &runtime::Runtime {
        self.0.runtime.get_or_init(|| {
            let mut builder = runtime::Builder::new_multi_thread();
            builder.worker_threads(1).enable_all().build().expect("a thread can be started")
        })
    }
}

/// Returns the fastest strategy. Since PostgreSQL 15 copying files takes half as long as the default, which also
/// writes every page to the log.
async fn strategy(client: &Client) -> Result<&'static str, tokio_postgres::Error> {
    let sql = "SELECT current_setting('server_version_num')::int >= 150000";
    let is_a_choice = client.query_one(sql, &[]).await?.get(0);
    Ok(if is_a_choice { "STRATEGY FILE_COPY" } else { "" })
}
