//! Collects the replay position of a standby, last of all, so that changes made during the checks do not
//! count as lag. [`nodes`](crate::nodes) compares it with the primary.

use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::one;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;

pub(super) const NAME: &str = "lag";

const SQL: &str = "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint, \
       pg_wal_lsn_diff(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), \
         pg_last_wal_replay_lsn())::bigint, \
       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::bigint";

pub(super) async fn check(probe: &mut Probe<'_>, _server: &Server) -> Result<Vec<Finding>> {
    let (position, waiting, age) =
        probe.fetch(one::<(Option<i64>, Option<i64>, Option<i64>)>(SQL, params![])).await?;
    if let Some(facts) = &mut probe.report.node.facts {
        facts.position = position;
    }
    if let Some(peer_facts) = &mut probe.report.peer_facts {
        peer_facts.waiting = waiting.unwrap_or_default();
        peer_facts.replayed_age = age;
    }
    Ok(Vec::new())
}
