use std::thread;

use tokio::runtime;
use tokio_postgres::{Client, NoTls};

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

    /// Connects to the database that holds no test's data. Every operation
    /// opens its own connection: one that is kept would die with the runtime
    /// of the test that opened it.
    pub(crate) async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.url("postgres"), NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    pub(crate) async fn execute(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.connect().await?.batch_execute(sql).await
    }

    /// Executes `sql` from where nothing can be awaited, inside of a runtime
    /// or not, and without regard to whether it succeeds.
    pub(crate) fn execute_blocking(&self, sql: &str) {
        let attempt = || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.is_ok_and(|runtime| runtime.block_on(self.execute(sql)).is_ok())
        };
        thread::scope(|scope| {
            let _ = scope.spawn(attempt).join();
        });
    }
}
