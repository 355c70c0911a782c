//! How often large indexes are read. Standbys count their own reads, so it is judged when all nodes were looked at.

use super::Server;
use crate::Row;
use crate::doctor::finding::Finding;
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::migrate::indexes_of;
use crate::params;
use crate::query::all;

pub(super) const NAME: &str = "unused_indexes";

/// Smaller ones cost too little to matter.
const LARGE: i64 = 8 << 20;

const SQL: &str = "SELECT s.indexrelid::regclass::text AS name, s.indexrelname::text AS bare, \
    s.relid::regclass::text AS of_table, \
       pg_relation_size(s.indexrelid) AS bytes, s.idx_scan AS scans, \
       coalesce(to_char(d.stats_reset AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), 'its statistics began') AS since \
     FROM pg_stat_user_indexes s JOIN pg_index i USING (indexrelid) \
     JOIN pg_stat_database d ON d.datname = current_database() \
     WHERE i.indisvalid AND NOT i.indisunique AND NOT i.indisexclusion AND pg_relation_size(s.indexrelid) >= $1 \
     ORDER BY bytes DESC";

/// A large index that is not unique, and how often one node read it.
#[derive(Clone, Debug, Row)]
pub(in crate::doctor) struct IndexUse {
    pub(in crate::doctor) name: String,
    pub(in crate::doctor) bare: String,
    pub(in crate::doctor) of_table: String,
    pub(in crate::doctor) bytes: i64,
    pub(in crate::doctor) scans: i64,
    pub(in crate::doctor) since: String,
}

pub(super) async fn look(visit: &mut Visit<'_>, _server: &Server) -> Result<Vec<Finding>> {
    // Those that revisions make belong to reads that may come.
    let meant = indexes_of(visit.revisions);
    let mut indexes = visit.fetch(all::<IndexUse>(SQL, params![LARGE])).await?;
    indexes.retain(|index| !meant.contains(&&*index.bare));
    visit.seen.indexes = indexes;
    Ok(Vec::new())
}
