//! Collects the use of large indexes. Standbys count their own reads, so [`nodes`](crate::nodes) evaluates
//! it.

use tallybook_migrate::indexes_of;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::all;

use super::server::Server;
use crate::finding::Finding;
use crate::node_report::IndexUse;
use crate::probe::Probe;

pub(super) const NAME: &str = "unused_indexes";

/// Smaller indexes cost too little to report, in bytes.
const MIN_SIZE: i64 = 8 << 20;

const SQL: &str = "SELECT s.indexrelid::regclass::text AS name, s.indexrelname::text AS bare, \
    s.relid::regclass::text AS of_table, \
       pg_relation_size(s.indexrelid) AS bytes, s.idx_scan AS scans, \
       coalesce(to_char(d.stats_reset AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), 'its statistics began') AS since \
     FROM pg_stat_user_indexes s JOIN pg_index i USING (indexrelid) \
     JOIN pg_stat_database d ON d.datname = current_database() \
     WHERE i.indisvalid AND NOT i.indisunique AND NOT i.indisexclusion AND pg_relation_size(s.indexrelid) >= $1 \
     ORDER BY bytes DESC";

pub(super) async fn check(probe: &mut Probe<'_>, _server: &Server) -> Result<Vec<Finding>> {
    collect(probe, MIN_SIZE).await?;
    Ok(Vec::new())
}

/// Collects the use of indexes from a size in bytes on.
pub(crate) async fn collect(probe: &mut Probe<'_>, min_size: i64) -> Result<()> {
    // Revisions created these for reads that may still come.
    let from_revisions = indexes_of(probe.revisions);
    let mut indexes = probe.fetch(all::<IndexUse>(SQL, params![min_size])).await?;
    indexes.retain(|index| !from_revisions.contains(&&*index.bare));
    probe.report.indexes = indexes;
    Ok(())
}
