//! The nodes that the settings name.

use std::time::Duration;

use serde::Serialize;
use tallybook_core::settings::{ConnectTarget, DatabaseUrl, Settings};
use tallybook_postgres::config::{Check, PostgresTarget, Server};
use tallybook_sqlite::config::SqliteLocation;

use super::units::shell;

/// Time limit for connecting.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// A node, with the facts and check results collected from it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Node {
    /// `host:port`, or the file.
    pub node: String,
    /// URL that names it, without the password.
    pub url: String,
    /// Role according to the settings.
    pub configured: ConfiguredAs,
    /// Command that opens an SQL shell on it. It asks for the password.
    pub shell: String,
    /// Facts about the node; `None` if it was not reached.
    pub facts: Option<NodeFacts>,
    /// Names of the checks that passed.
    pub passed: Vec<&'static str>,
    /// Names of the checks that could not run, or saw only a part.
    pub skipped: Vec<&'static str>,
    /// Time spent on the node, in milliseconds.
    pub milliseconds: u64,
}

/// The role of a node according to the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConfiguredAs {
    /// The primary, or one of several candidates.
    Primary,
    /// A read replica.
    Replica,
    /// A candidate for the primary that is also named as a replica.
    Both,
}

impl ConfiguredAs {
    /// Returns the environment variable that names it.
    pub fn variable(self) -> &'static str {
        match self {
            ConfiguredAs::Primary | ConfiguredAs::Both => "DATABASE_URL",
            ConfiguredAs::Replica => "DB_READ_REPLICA_URL",
        }
    }
}

/// The actual role of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Accepts writes.
    Writable,
    /// Replays the log of a primary.
    Standby,
}

/// Facts that a node reports about itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NodeFacts {
    /// Version of the server, or of SQLite.
    pub version: String,
    /// Actual role.
    pub role: Role,
    /// Size of the database in bytes, if it was known in time.
    pub bytes: Option<i64>,
    /// TLS version; `None` without encryption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// PostgreSQL system identifier, shared by a primary and its standbys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Timeline it writes or replays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeline: Option<i64>,
    /// Start time of the server, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// Position of the log in bytes: written by a primary, replayed by a standby.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// For a standby: bytes of the primary's log not yet replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_bytes: Option<i64>,
    /// For a standby with more to replay: age of the last replayed transaction, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<i64>,
    /// Journal mode of SQLite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<String>,
}

/// A node as the settings name it.
#[derive(Clone)]
pub(super) struct NodeConfig {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) configured: ConfiguredAs,
    /// Set if `DB_READ_REPLICA_URL` names it too, with another user, password or database, which nobody
    /// uses.
    pub(super) account_differs: bool,
    pub(super) location: Location,
}

/// Everything needed to connect to a node.
#[derive(Clone)]
pub(super) enum Location {
    Postgres(Box<PostgresTarget>),
    Sqlite(SqliteLocation),
}

/// Returns the nodes that the settings name: one for each host of a URL. A node named in both variables is
/// one node, as for programs.
pub(super) fn configured_nodes(settings: &Settings) -> Vec<NodeConfig> {
    let mut configs = of_url(&settings.database_url, ConfiguredAs::Primary);
    for replica in settings.replica.urls.iter().flat_map(|url| of_url(url, ConfiguredAs::Replica)) {
        match configs
            .iter_mut()
            .find(|config| config.configured != ConfiguredAs::Replica && config.name == replica.name)
        {
            Some(config) => {
                config.configured = ConfiguredAs::Both;
                config.account_differs = !config.has_account_of(&replica);
            }
            None => configs.push(replica),
        }
    }
    configs
}

fn of_url(url: &DatabaseUrl, configured: ConfiguredAs) -> Vec<NodeConfig> {
    let config = |name, location| NodeConfig {
        name,
        url: url.to_string(),
        configured,
        account_differs: false,
        location,
    };
    match url.target() {
        ConnectTarget::Sqlite(location @ SqliteLocation::Memory) => {
            vec![config("sqlite::memory:".to_owned(), Location::Sqlite(location.clone()))]
        }
        ConnectTarget::Sqlite(location @ SqliteLocation::File(path)) => {
            // The reader of the report may be in another directory.
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            vec![config(path.display().to_string(), Location::Sqlite(location.clone()))]
        }
        ConnectTarget::Postgres(target) => {
            let location = |server| Location::Postgres(Box::new(single_server(target, server)));
            target.servers.iter().map(|server| config(server.to_string(), location(server))).collect()
        }
    }
}

/// Reduces the target to one server, with the doctor's connection options.
fn single_server(target: &PostgresTarget, server: &Server) -> PostgresTarget {
    let mut target = target.only(server);
    target.application_name = Some("tallybook doctor".to_owned());
    target.tcp.connect_timeout = Some(CONNECT_LIMIT);
    target
}

impl NodeConfig {
    pub(super) fn node(&self) -> Node {
        Node {
            node: self.name.clone(),
            url: self.url.clone(),
            configured: self.configured,
            shell: self.shell(),
            facts: None,
            passed: Vec::new(),
            skipped: Vec::new(),
            milliseconds: 0,
        }
    }

    /// Returns whether the same user connects to the same database.
    fn has_account_of(&self, other: &Self) -> bool {
        let (Location::Postgres(own), Location::Postgres(other)) = (&self.location, &other.location) else {
            return true;
        };
        own.user == other.user && own.password == other.password && own.database == other.database
    }

    /// Returns the command that opens an SQL shell on it, without a password.
    pub(super) fn shell(&self) -> String {
        match &self.location {
            Location::Postgres(target) => format!("psql {}", libpq(target)),
            Location::Sqlite(_) => format!("sqlite3 {}", shell(&self.name)),
        }
    }

    /// Returns whether its traffic stays on this machine.
    pub(super) fn is_local(&self) -> bool {
        match &self.location {
            Location::Postgres(target) => target.servers.iter().all(Server::is_local),
            Location::Sqlite(_) => true,
        }
    }

    /// Returns whether its URL asks for the server's certificate to be verified.
    pub(super) fn verifies_certificate(&self) -> bool {
        match &self.location {
            Location::Postgres(target) => target.ssl.check != Check::Nothing,
            Location::Sqlite(_) => false,
        }
    }
}

/// Returns the options that `psql` and other libpq programs need for this target.
pub(super) fn libpq(target: &PostgresTarget) -> String {
    let user = target.user.as_deref().map(|user| format!(" -U {}", shell(user))).unwrap_or_default();
    let database = target.database.as_deref().or(target.user.as_deref());
    let database = database.map(|database| format!(" -d {}", shell(database))).unwrap_or_default();
    format!("{}{user}{database}", host_and_port(target))
}

/// Returns the host and port options only.
pub(super) fn host_and_port(target: &PostgresTarget) -> String {
    let Some(server) = target.servers.first() else { return String::new() };
    let (host, port) = server.address();
    let host = server.address.map_or(host, |address| address.to_string());
    format!("-h {} -p {port}", shell(&host))
}
