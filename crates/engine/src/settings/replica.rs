//! Read replicas, and which server is the primary.

use std::collections::HashSet;
use std::time::Duration;

use super::{DatabaseUrl, Engine, Target};
use crate::error::{Error, Result};

const MOST_REPLICAS: usize = 32;

/// Where reads may go besides the primary, and how old they may be.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReplicaSettings {
    /// `DB_ENABLE_READ_REPLICA`: the flag. Default false.
    pub enabled: bool,
    /// `DB_READ_REPLICA_URL`: one URL or several separated by commas. Default none.
    pub urls: Vec<DatabaseUrl>,
    /// `DB_REPLICA_MAX_STALENESS`: a replica that is further behind gets no reads, but those that ask for less.
    /// Default 10 s.
    pub max_staleness: Duration,
    /// `DB_REPLICA_WAIT`: how long a read after a write waits for a replica before it goes to the primary. Default
    /// 20 ms.
    pub wait: Duration,
    /// `DB_REPLICA_SPILL`: how many reads may run on the primary at the same time because no replica is fit for them;
    /// eight times as many may wait, further ones are refused. Default 4.
    pub spill: usize,
    /// `DB_REPLICA_CHECK_INTERVAL`: how often each server is asked for its role and position, where there are several.
    /// Default 0.25 s.
    pub check_interval: Duration,
    /// `DB_REPLICA_HEDGE`: a read of one row that takes this long on one replica is sent to a second one as well, and
    /// the first answer counts. Default never.
    pub hedge: Option<Duration>,
    /// `DB_ZONE`: where this program runs; replicas whose URL has the same `zone` are preferred. Default none.
    pub zone: Option<String>,
}

impl Default for ReplicaSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            urls: Vec::new(),
            max_staleness: Duration::from_secs(10),
            wait: Duration::from_millis(20),
            spill: 4,
            check_interval: Duration::from_millis(250),
            hedge: None,
            zone: None,
        }
    }
}

impl ReplicaSettings {
    /// Checks them against the primary.
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
        if primary.engine() == Engine::Sqlite {
            return Err(Error::setting(
                "replica.enabled (DB_ENABLE_READ_REPLICA)",
                format!("true, with {primary} as the database"),
                "true only with PostgreSQL: an SQLite file has no replicas",
            ));
        }
        if self.urls.len() > MOST_REPLICAS {
            let held = format!("{} URLs", self.urls.len());
            let expected = format!("at most {MOST_REPLICAS} URLs");
            return Err(Error::setting("replica.urls (DB_READ_REPLICA_URL)", held, expected));
        }
        let mut seen = HashSet::new();
        self.urls.iter().try_for_each(|url| check_url(url, primary, &mut seen))
    }
}

/// A primary with several addresses may have some of them among the replicas: which it is can change.
fn check_url(url: &DatabaseUrl, primary: &DatabaseUrl, seen: &mut HashSet<String>) -> Result<()> {
    let refuse = |expected: &str| {
        Err(Error::setting("replica.urls (DB_READ_REPLICA_URL)", format!("\"{url}\""), expected))
    };
    let (Target::Postgres(replica), Target::Postgres(primary)) = (url.target(), primary.target()) else {
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
