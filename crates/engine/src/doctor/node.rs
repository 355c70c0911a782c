//! The nodes that settings name.

use std::time::Duration;

use serde::Serialize;
use tokio_postgres::config::Host;

use super::units::shell;
use crate::settings::{Check, DatabaseUrl, PostgresTarget, Server, Settings, SqliteLocation, Target};

/// How long a server may take to be connected to.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// A node, and what it told of itself.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Node {
    /// Host and port, or a file.
    pub node: String,
    /// Where it is named, without a password.
    pub url: String,
    /// What the settings take it for.
    pub configured: Configured,
    /// The command that opens a shell of SQL on it. It asks for the password.
    pub shell: String,
    /// What it told; none if it was not reached.
    pub facts: Option<Facts>,
    /// The checks that found nothing wrong.
    pub passed: Vec<&'static str>,
    /// The checks that could not be made, or saw a part only.
    pub unseen: Vec<&'static str>,
    /// How long it was looked at.
    pub milliseconds: u64,
}

/// What settings take a node for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Configured {
    /// The primary, or one of several candidates.
    Primary,
    /// A read replica.
    Replica,
    /// A candidate for the primary, and a replica while another is it.
    Both,
}

impl Configured {
    /// The variable that names it.
    pub fn variable(self) -> &'static str {
        match self {
            Configured::Primary | Configured::Both => "DATABASE_URL",
            Configured::Replica => "DB_READ_REPLICA_URL",
        }
    }
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// It can be written to.
    Writable,
    /// It replays what a primary writes.
    Standby,
}

/// What a node told of itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Facts {
    /// The version of the server, or of SQLite.
    pub version: String,
    /// What it is.
    pub role: Role,
    /// The size of the database in bytes, if that was told in time.
    pub bytes: Option<i64>,
    /// The version of TLS; none in clear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// PostgreSQL's system identifier: the same for a primary and its standbys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The timeline that it writes or replays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeline: Option<i64>,
    /// When the server was started, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// How far its log is written, or replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// A standby: bytes of the primary's log that are not replayed yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_bytes: Option<i64>,
    /// A standby: the age of the last transaction that it replayed, if there is more to replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<i64>,
    /// The journal mode of SQLite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<String>,
}

/// A place where a node should be.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) configured: Configured,
    /// It is named as a replica with another user, password or database as well, which nobody uses.
    pub(super) differs: bool,
    pub(super) at: At,
}

/// What is needed to look at a node.
#[derive(Clone)]
pub(super) enum At {
    Postgres(Box<PostgresTarget>),
    Sqlite(SqliteLocation),
}

/// All that settings name: each host of a URL is a node, and one that is named in both variables is one, as it is for
/// the program.
pub(super) fn seats(settings: &Settings) -> Vec<Seat> {
    let mut seats = of_url(&settings.database_url, Configured::Primary);
    for replica in settings.replica.urls.iter().flat_map(|url| of_url(url, Configured::Replica)) {
        match seats
            .iter_mut()
            .find(|seat| seat.configured != Configured::Replica && seat.name == replica.name)
        {
            Some(seat) => {
                seat.configured = Configured::Both;
                seat.differs = !seat.has_account_of(&replica);
            }
            None => seats.push(replica),
        }
    }
    seats
}

fn of_url(url: &DatabaseUrl, configured: Configured) -> Vec<Seat> {
    let seat = |name, at| Seat { name, url: url.to_string(), configured, differs: false, at };
    match url.target() {
        Target::Sqlite(location @ SqliteLocation::Memory) => {
            vec![seat("sqlite::memory:".to_owned(), At::Sqlite(location.clone()))]
        }
        Target::Sqlite(location @ SqliteLocation::File(path)) => {
            // Whoever reads the report may be in another directory.
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            vec![seat(path.display().to_string(), At::Sqlite(location.clone()))]
        }
        Target::Postgres(target) => {
            let at = |server| At::Postgres(Box::new(only(target, server)));
            target.servers.iter().map(|server| seat(server.to_string(), at(server))).collect()
        }
    }
}

/// The target with one of its servers, as the doctor connects to it.
fn only(target: &PostgresTarget, server: &Server) -> PostgresTarget {
    let mut target = target.only(server);
    target.config.application_name("tallybook doctor").connect_timeout(CONNECT_LIMIT);
    target
}

impl Seat {
    pub(super) fn node(&self) -> Node {
        Node {
            node: self.name.clone(),
            url: self.url.clone(),
            configured: self.configured,
            shell: self.shell(),
            facts: None,
            passed: Vec::new(),
            unseen: Vec::new(),
            milliseconds: 0,
        }
    }

    /// Whether the same user connects to the same database.
    fn has_account_of(&self, other: &Self) -> bool {
        let (At::Postgres(own), At::Postgres(other)) = (&self.at, &other.at) else { return true };
        let (own, other) = (&own.config, &other.config);
        own.get_user() == other.get_user()
            && own.get_password() == other.get_password()
            && own.get_dbname() == other.get_dbname()
    }

    /// The command that opens a shell of SQL on it, without a password.
    pub(super) fn shell(&self) -> String {
        match &self.at {
            At::Postgres(target) => format!("psql {}", libpq(target)),
            At::Sqlite(_) => format!("sqlite3 {}", shell(&self.name)),
        }
    }

    /// Whether what is sent to it stays on this machine.
    pub(super) fn is_local(&self) -> bool {
        match &self.at {
            At::Postgres(target) => target.servers.iter().all(Server::is_local),
            At::Sqlite(_) => true,
        }
    }

    /// Whether its URL asks for the server's certificate to be checked.
    pub(super) fn verifies(&self) -> bool {
        match &self.at {
            At::Postgres(target) => target.ssl.check != Check::Nothing,
            At::Sqlite(_) => false,
        }
    }
}

/// The options of libpq's programs for a target.
pub(super) fn libpq(target: &PostgresTarget) -> String {
    let user = target.config.get_user().map(|user| format!(" -U {}", shell(user))).unwrap_or_default();
    let database = target.config.get_dbname().or(target.config.get_user());
    let database = database.map(|database| format!(" -d {}", shell(database))).unwrap_or_default();
    format!("{}{user}{database}", host_and_port(target))
}

/// Those that say where the server is.
pub(super) fn host_and_port(target: &PostgresTarget) -> String {
    let Some(Server { host, address, port }) = target.servers.first() else { return String::new() };
    let host = match (host, address) {
        (_, Some(address)) => address.to_string(),
        (Host::Tcp(name), None) => name.clone(),
        (Host::Unix(path), None) => path.display().to_string(),
    };
    format!("-h {} -p {port}", shell(&host))
}
