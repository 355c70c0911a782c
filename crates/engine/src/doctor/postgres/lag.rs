//! How far a standby has replayed, asked last: what came in while it was looked at is no lag. It is judged when the
//! primary's position is known too.

use super::Server;
use crate::doctor::finding::Finding;
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::params;
use crate::query::one;

pub(super) const NAME: &str = "lag";

const SQL: &str = "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint, \
       pg_wal_lsn_diff(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), \
         pg_last_wal_replay_lsn())::bigint, \
       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::bigint";

pub(super) async fn look(visit: &mut Visit<'_>, _server: &Server) -> Result<Vec<Finding>> {
    let (position, waiting, age) =
        visit.fetch(one::<(Option<i64>, Option<i64>, Option<i64>)>(SQL, params![])).await?;
    if let Some(facts) = &mut visit.seen.node.facts {
        facts.position = position;
    }
    if let Some(told) = &mut visit.seen.told {
        told.waiting = waiting.unwrap_or_default();
        told.replayed_age = age;
    }
    Ok(Vec::new())
}
