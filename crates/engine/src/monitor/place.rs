//! Which database it is, in OpenTelemetry's words.

use std::path::Path;

use tokio_postgres::config::Host;

use crate::settings::{Engine, Settings, SqliteLocation, Target};

/// Where the statements run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) engine: Engine,
    /// `db.system.name`.
    pub(super) system: &'static str,
    /// `db.namespace`: the database, or the name of SQLite's file.
    pub(super) namespace: String,
    /// `server.address`; none for SQLite.
    pub(super) address: Option<String>,
    /// `server.port`, where it is not the usual one.
    pub(super) port: Option<u16>,
}

const USUAL_PORT: u16 = 5432;

impl Place {
    pub(super) fn of(settings: &Settings) -> Self {
        let engine = settings.database_url.engine();
        match settings.database_url.target() {
            Target::Sqlite(location) => Self {
                engine,
                system: "sqlite",
                namespace: match location {
                    SqliteLocation::Memory => ":memory:".to_owned(),
                    SqliteLocation::File(path) => file_name(path),
                },
                address: None,
                port: None,
            },
            Target::Postgres(target) => {
                let server = target.servers.first();
                let address = server.map(|server| match &server.host {
                    Host::Tcp(host) => host.clone(),
                    Host::Unix(path) => path.display().to_string(),
                });
                let user = target.config.get_user().unwrap_or_default();
                Self {
                    engine,
                    system: "postgresql",
                    namespace: target.config.get_dbname().unwrap_or(user).to_owned(),
                    address,
                    port: server.map(|server| server.port).filter(|&port| port != USUAL_PORT),
                }
            }
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Place {
        Place::of(&Settings::new(url).expect("the URL is good"))
    }

    #[test]
    fn the_usual_port_is_not_said() {
        assert_eq!(place("postgresql://ann@db.example.com/books").port, None);
        assert_eq!(place("postgresql://ann@db.example.com:5432/books").port, None);
        assert_eq!(place("postgresql://ann@db.example.com:5433/books").port, Some(5433));
    }

    #[test]
    fn a_server_has_an_address_and_a_file_has_a_name() {
        let server = place("postgresql://ann@db.example.com/books");
        assert_eq!((server.address.as_deref(), &*server.namespace), (Some("db.example.com"), "books"));
        let file = place("sqlite:////var/lib/books.db");
        assert_eq!((file.address, &*file.namespace), (None, "books.db"));
        assert_eq!(place("sqlite::memory:").namespace, ":memory:");
    }
}
