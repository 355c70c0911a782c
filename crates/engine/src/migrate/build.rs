//! How far the build of an index is, and who keeps it waiting.

use std::time::Instant;

use super::catalog::fetch;
use super::progress::{Place, Progress};
use crate::driver::Connection;
use crate::error::Result;
use crate::params;
use crate::query::{all, optional};
use crate::waiting::activity::blockers;
use crate::waiting::{Blocker, names};

/// The process that builds an index, which is known by its statement: before it has a place in the catalog, and
/// behind a proxy whose server connection nobody knows. Of several waiting ones the one that has begun.
const BUILDER: &str = "SELECT a.pid::bigint, coalesce(p.phase, ''), coalesce(p.blocks_done, 0), \
       coalesce(p.blocks_total, 0), coalesce(p.tuples_done, 0), coalesce(p.tuples_total, 0), \
       coalesce(p.current_locker_pid, 0)::bigint \
     FROM pg_stat_activity a LEFT JOIN pg_stat_progress_create_index p ON p.pid = a.pid \
     WHERE a.datname = current_database() AND a.state = 'active' AND a.pid <> pg_backend_pid() \
       AND a.query ~ ('^CREATE (UNIQUE )?INDEX CONCURRENTLY ' || $1 || ' ') \
     ORDER BY p.pid IS NULL, a.query_start LIMIT 1";

const BUILDING: &str = "SELECT p.pid::bigint FROM pg_stat_progress_create_index p \
     JOIN pg_class c ON c.oid = p.index_relid \
     JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema() WHERE c.relname = $1";

type Row = (i64, String, i64, i64, i64, i64, i64);

/// The process that builds an index now.
pub(super) async fn builder(connection: &mut Connection, name: &str) -> Result<Option<i64>> {
    Ok(fetch(connection, optional::<(i64,)>(BUILDING, params![name])).await?.map(|(pid,)| pid))
}

/// A build under way.
pub(super) struct Build {
    name: &'static str,
    start: Instant,
    blockers: Vec<Blocker>,
}

impl Build {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, start: Instant::now(), blockers: Vec::new() }
    }

    /// Who kept it waiting when it was last looked at.
    pub(super) fn told(&self) -> String {
        if self.blockers.is_empty() {
            "nobody, it was still at work".to_owned()
        } else {
            names(&self.blockers)
        }
    }

    pub(super) async fn look(&mut self, watch: &mut Connection, place: &Place) -> Result<Option<Progress>> {
        let row = fetch(watch, optional::<Row>(BUILDER, params![self.name])).await?;
        let Some((pid, phase, blocks, blocks_total, tuples, tuples_total, locker)) = row else {
            return Ok(None);
        };
        let waits = "SELECT unnest(pg_blocking_pids($1::int))::bigint";
        let mut pids: Vec<_> = fetch(watch, all::<(i64,)>(waits, params![pid])).await?;
        pids.extend((locker != 0).then_some((locker,)));
        let pids: Vec<_> = pids.into_iter().map(|(pid,)| pid).collect();
        self.blockers = blockers(watch, &pids).await?;
        let part = match (blocks_total, tuples_total) {
            (total, _) if total > 0 => blocks as f64 / total as f64,
            (_, total) if total > 0 => tuples as f64 / total as f64,
            _ => 0.0,
        };
        let done = done(&phase, part.min(1.0));
        let is_waiting = !self.blockers.is_empty();
        let left =
            (done > 0.02 && !is_waiting).then(|| self.start.elapsed().as_secs_f64() * (1.0 - done) / done);
        let phase = if phase.is_empty() { "waiting for its turn".to_owned() } else { phase };
        let blockers = self.blockers.clone();
        Ok(Some(Progress::Building { place: place.clone(), phase, percent: 100.0 * done, left, blockers }))
    }
}

/// How much of the whole build is done: the phases, by what they took in trials with some million rows.
fn done(phase: &str, part: f64) -> f64 {
    let (from, to) = match phase {
        "building index: scanning table" => (0.0, 0.5),
        "building index: sorting live tuples" => (0.5, 0.6),
        "building index: loading tuples in tree" => (0.6, 0.75),
        "waiting for writers before validation" => (0.75, 0.75),
        "index validation: scanning index" => (0.75, 0.8),
        "index validation: sorting tuples" => (0.8, 0.85),
        "index validation: scanning table" => (0.85, 1.0),
        "waiting for old snapshots" | "waiting for readers before marking dead" => (1.0, 1.0),
        _ => (0.0, 0.0),
    };
    from + (to - from) * part
}
