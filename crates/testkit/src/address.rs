use std::thread;

use tokio::runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::Error;

/// The superuser of every server that the testkit starts.
pub(crate) const USER: &str = "tallybook";

/// The port and password of a server.
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

    /// Returns the connection parameters for PostgreSQL's own programs, without the password, which the process
    /// list would show.
    pub(crate) fn parameters(&self) -> String {
        format!("host=127.0.0.1 port={} user={USER}", self.port)
    }

    /// Connects to the database `postgres`, which holds no test data. The connection ends with the runtime of the
    /// calling test.
    pub(crate) async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        self.connect_within(&runtime::Handle::current()).await
    }

    /// As [`connect`](Self::connect), on the given runtime.
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

    /// Returns the first value of the result of `sql`.
    async fn ask(&self, sql: &str) -> Result<String, tokio_postgres::Error> {
        let messages = self.connect().await?.simple_query(sql).await?;
        let value = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        Ok(value.unwrap_or_default().to_owned())
    }

    /// As [`ask`](Self::ask), callable inside and outside of an async runtime.
    pub(crate) fn ask_blocking(&self, sql: &str) -> Result<String, Error> {
        let attempt = || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| Error::new(error.to_string()))?;
            runtime.block_on(self.ask(sql)).map_err(|error| Error::new(format!("{sql}: {error:?}")))
        };
        thread::scope(|scope| scope.spawn(attempt).join().expect("nothing panics here"))
    }
}
