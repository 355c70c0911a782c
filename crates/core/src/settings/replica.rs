//! Settings of read replicas.

use std::collections::HashSet;
use std::time::Duration;

use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Result};

use super::{ConnectTarget, DatabaseUrl};

const MAX_REPLICAS: usize = 32;

/// Read replicas, and how stale they may be.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReplicaSettings {
    /// `DB_ENABLE_READ_REPLICA`: whether to use replicas. Default false.
    pub enabled: bool,
    /// `DB_READ_REPLICA_URL`: one URL, or several separated by commas. Default none.
    pub urls: Vec<DatabaseUrl>,
    /// `DB_REPLICA_MAX_STALENESS`: a staler replica serves only reads that explicitly accept that. Default 10
    /// s.
    pub max_staleness: Duration,
    /// `DB_REPLICA_WAIT`: time that a read after a write waits for a replica before it goes to the primary.
    /// Default 20 ms.
    pub wait: Duration,
    /// `DB_REPLICA_FALLBACK`: concurrent reads on the primary for lack of a fit replica. Eight times as many
    /// may queue; further ones are refused. Default 4.
    pub fallback: usize,
    /// `DB_REPLICA_CHECK_INTERVAL`: interval of the probes of each server, if there are several. Default 0.25
    /// s.
    pub check_interval: Duration,
    /// `DB_ZONE`: zone of this program. Replicas whose URL has the same `zone` are preferred. Default none.
    pub zone: Option<String>,
}

impl Default for ReplicaSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            urls: Vec::new(),
            max_staleness: Duration::from_secs(10),
            wait: Duration::from_millis(20),
            fallback: 4,
            check_interval: Duration::from_millis(250),
            zone: None,
        }
    }
}

impl ReplicaSettings {
    /// Checks the settings against the primary's.
    pub(super) fn check(&self, primary: &DatabaseUrl) -> Result<()> {
        if !self.enabled {
            return Ok(());
        }
        if self.urls.is_empty() {
            return Err(Error::setting(
                "replica.enabled (DB_ENABLE_READ_REPLICA)",
                "true",
                "true only where replica.urls (DB_READ_REPLICA_URL) holds a URL",
            ));
        }
        if primary.dialect() == Dialect::Sqlite {
            return Err(Error::setting(
                "replica.enabled (DB_ENABLE_READ_REPLICA)",
                format!("true, with {primary} as the database"),
                "true only with PostgreSQL: an SQLite file has no replicas",
            ));
        }
        if self.urls.len() > MAX_REPLICAS {
            let held = format!("{} URLs", self.urls.len());
            let expected = format!("at most {MAX_REPLICAS} URLs");
            return Err(Error::setting("replica.urls (DB_READ_REPLICA_URL)", held, expected));
        }
        let mut seen = HashSet::new();
        self.urls.iter().try_for_each(|url| check_url(url, primary, &mut seen))
    }
}

/// Addresses of a primary with several servers may also be replicas, because the roles can change.
fn check_url(url: &DatabaseUrl, primary: &DatabaseUrl, seen: &mut HashSet<String>) -> Result<()> {
    let refuse = |expected: &str| {
        Err(Error::setting("replica.urls (DB_READ_REPLICA_URL)", format!("\"{url}\""), expected))
    };
    let (ConnectTarget::Postgres(replica), ConnectTarget::Postgres(primary)) =
        (url.target(), primary.target())
    else {
        return refuse("URLs of PostgreSQL replicas");
    };
    let [server] = &*replica.servers else {
        return refuse("one host a URL: name several replicas by several URLs, with commas between");
    };
    if !seen.insert(server.to_string()) {
        return refuse("each replica once");
    }
    if primary.servers.len() == 1 && primary.servers.contains(server) {
        return refuse("replicas, and this is the server of DATABASE_URL itself");
    }
    Ok(())
}
