use std::thread;

use tokio::runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::Error;

/// The superuser of every server that the test kit starts.
pub(crate) const USER: &str = "tallybook";

/// How to reach a server.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) port: u16,
    pub(crate) password: String,
}

impl Address {
    pub(crate) fn url(&self, database: &str) -> String {
        let Self { port, password } = self;
        format!("postgresql://{USER}:{password}@127.0.0.1:{port}/{database}")
    }

    /// The same in the words of PostgreSQL's own programs, without the
    /// password, which anybody could read in the list of processes.
    pub(crate) fn parameters(&self) -> String {
        format!("host=127.0.0.1 port={} user={USER}", self.port)
    }

    /// Connects to the database that holds no test's data. The connection
    /// ends with the runtime of the test that opened it.
    pub(crate) async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        self.connect_within(&runtime::Handle::current()).await
    }

    /// The same; the connection ends with that runtime.
    pub(crate) async fn connect_within(
        &self,
        runtime: &runtime::Handle,
    ) -> Result<Client, tokio_postgres::Error> {
        let (url, connect) = (self.url("postgres"), tokio_postgres::connect);
        let opened = runtime.spawn(async move { connect(&url, NoTls).await }).await;
        let (client, connection) = opened.expect("connecting does not panic")?;
        runtime.spawn(connection);
        Ok(client)
    }

    /// The first value of what `sql` returns.
    async fn ask(&self, sql: &str) -> Result<String, tokio_postgres::Error> {
        let messages = self.connect().await?.simple_query(sql).await?;
        let value = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        Ok(value.unwrap_or_default().to_owned())
    }

    /// The same from where nothing can be awaited, inside of a runtime or not.
    pub(crate) fn ask_blocking(&self, sql: &str) -> Result<String, Error> {
        let attempt = || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| Error::new(error.to_string()))?;
            runtime.block_on(self.ask(sql)).map_err(|error| Error::new(format!("{sql}: {error:?}")))
        };
        thread::scope(|scope| scope.spawn(attempt).join().expect("nothing panics here"))
    }
}
