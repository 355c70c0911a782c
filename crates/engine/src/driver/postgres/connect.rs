//! Opening a connection to PostgreSQL.

use std::io;

use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};

use super::Connection;
use crate::error::{Error, Result};

/// Session defaults. Every transaction is read only unless it says otherwise, so a single read needs no
/// BEGIN to be one; as start-up options they survive `RESET ALL` and `DISCARD ALL`.
const OPTIONS: &str = "-c default_transaction_read_only=on -c timezone=UTC";

/// How to reach one server.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Box<Config>,
    /// For messages: user, host, port and database.
    target: String,
}

impl Connector {
    pub(crate) fn new(config: &Config) -> Self {
        let mut config = config.clone();
        let options = match config.get_options() {
            Some(own) => format!("{own} {OPTIONS}"),
            None => OPTIONS.to_owned(),
        };
        config.options(options);
        if config.get_application_name().is_none() {
            config.application_name("tallybook");
        }
        let target = describe(&config);
        Self { config: Box::new(config), target }
    }

    pub(crate) async fn connect(&self) -> Result<Connection> {
        let (client, connection) = self.config.connect(NoTls).await.map_err(|error| self.explain(error))?;
        // Ends by itself when the client is dropped or the server goes away.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(target: "tallybook::pool", %error, "connection ended");
            }
        });
        Ok(Connection::new(client))
    }

    /// What was tried, why it failed and what to look at.
    fn explain(&self, error: tokio_postgres::Error) -> Error {
        let problem = match error.as_db_error() {
            Some(db) => match *db.code() {
                SqlState::INVALID_PASSWORD => format!("{}; check the password in the URL", db.message()),
                SqlState::INVALID_CATALOG_NAME => {
                    format!("{}; create it with `createdb`, or correct the URL", db.message())
                }
                _ => db.message().to_owned(),
            },
            None => match std::error::Error::source(&error) {
                Some(cause) if cause.is::<io::Error>() => format!("{cause}; is a server running there?"),
                Some(cause) => cause.to_string(),
                None => error.to_string(),
            },
        };
        Error::connect(&self.target, problem).with_source(error)
    }

    pub(crate) fn target(&self) -> &str {
        &self.target
    }
}

fn describe(config: &Config) -> String {
    let hosts = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(index, host)| {
            let ports = config.get_ports();
            let port = ports.get(index).or_else(|| ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        })
        .collect::<Vec<_>>()
        .join(",");
    let user = config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("postgresql://{user}{hosts}/{database}")
}
