//! The database as OpenTelemetry attributes.

use tallybook_core::settings::Settings;
use tallybook_sql::dialect::Dialect;

/// The attributes of the database in spans and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerAttributes {
    pub(super) dialect: Dialect,
    /// `db.system.name`.
    pub(super) system: &'static str,
    /// `db.namespace`: the database, or the name of SQLite's file.
    pub(super) namespace: String,
    /// `server.address`; `None` for SQLite.
    pub(super) address: Option<String>,
    /// `server.port`; `None` for the default port.
    pub(super) port: Option<u16>,
}

const DEFAULT_PORT: u16 = 5432;

impl ServerAttributes {
    pub(super) fn of(settings: &Settings) -> Self {
        let url = &settings.database_url;
        let server = url.server();
        let port = server.as_ref().map(|(_, port)| *port);
        Self {
            dialect: url.dialect(),
            system: match url.dialect() {
                Dialect::Sqlite => "sqlite",
                Dialect::Postgres => "postgresql",
            },
            namespace: url.namespace(),
            address: server.map(|(address, _)| address),
            port: port.filter(|&port| port != DEFAULT_PORT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(url: &str) -> ServerAttributes {
        ServerAttributes::of(&Settings::new(url).expect("the URL is good"))
    }

    #[test]
    fn the_default_port_is_left_out() {
        assert_eq!(attributes("postgresql://ann@db.example.com/books").port, None);
        assert_eq!(attributes("postgresql://ann@db.example.com:5432/books").port, None);
        assert_eq!(attributes("postgresql://ann@db.example.com:5433/books").port, Some(5433));
    }

    #[test]
    fn a_server_has_an_address_and_a_file_has_a_name() {
        let server = attributes("postgresql://ann@db.example.com/books");
        assert_eq!((server.address.as_deref(), &*server.namespace), (Some("db.example.com"), "books"));
        let file = attributes("sqlite:////var/lib/books.db");
        assert_eq!((file.address, &*file.namespace), (None, "books.db"));
        assert_eq!(attributes("sqlite::memory:").namespace, ":memory:");
    }
}
