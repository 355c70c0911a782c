use std::{
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use tokio::{runtime, sync::Mutex};
use tokio_postgres::Client;

use crate::{Error, address::Address};

/// The connection over which this process creates and drops databases on the shared server. It is opened once,
/// because opening one costs as much as a small test.
#[derive(Debug, Clone)]
pub(crate) struct AdminConnection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: Address,
    /// Drives the connection, which outlives the runtimes of all tests.
    runtime: OnceLock<runtime::Runtime>,
    session: Mutex<Option<Session>>,
}

#[derive(Debug)]
struct Session {
    client: Client,
    /// The `STRATEGY` clause of `CREATE DATABASE`.
    strategy: &'static str,
}

impl AdminConnection {
    pub(crate) fn of(address: Address) -> Self {
        Self(Arc::new(Inner { address, runtime: OnceLock::new(), session: Mutex::default() }))
    }

    pub(crate) fn address(&self) -> &Address {
        &self.0.address
    }

    /// Creates a database as a copy of another one.
    pub(crate) async fn create(&self, name: &str, template: &str) -> Result<(), tokio_postgres::Error> {
        let mut session = self.0.session.lock().await;
        let session = self.connected(&mut session).await?;
        let strategy = session.strategy;
        let sql = format!(r#"CREATE DATABASE "{name}" TEMPLATE "{template}" {strategy}"#);
        session.client.batch_execute(&sql).await
    }

    /// Drops a database and disconnects its clients. Blocks, for use in `drop`.
    pub(crate) fn drop_blocking(&self, name: &str) -> Result<(), Error> {
        let drop = async {
            let mut session = self.0.session.lock().await;
            let session = self.connected(&mut session).await?;
            end_sessions(&session.client, name).await?;
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

/// Ends the sessions of a database and waits until they have ended. `DROP DATABASE` does so too, but looks only each 100 ms,
/// which is longer than most tests.
async fn end_sessions(client: &Client, name: &str) -> Result<(), tokio_postgres::Error> {
    let terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1";
    // A session that is stopped or hangs is left to `FORCE`.
    for _ in 0..100 {
        let row = client.query_one(terminate, &[&name]).await?;
        if row.get::<_, i64>(0) == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Returns the fastest strategy. Since PostgreSQL 15 copying files takes half as long as the default, which also
/// writes every page to the log.
async fn strategy(client: &Client) -> Result<&'static str, tokio_postgres::Error> {
    let sql = "SELECT current_setting('server_version_num')::int >= 150000";
    let is_a_choice = client.query_one(sql, &[]).await?.get(0);
    Ok(if is_a_choice { "STRATEGY FILE_COPY" } else { "" })
}
