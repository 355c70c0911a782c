//! Progress and blockers of a concurrent index build.

use std::time::Instant;

use tallybook_core::driver::Connection;
use tallybook_core::waiting::activity::blockers;
use tallybook_core::waiting::{Blocker, names};
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::{all, optional};

use crate::catalog::fetch;
use crate::run::progress::{Progress, StepPosition};

/// Finds the backend that builds an index by the text of its statement: the catalog does not list a build that has
/// just begun, and a proxy hides which server connection is ours. Prefers one that has begun over waiting ones.
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

/// Returns the process id of the backend that builds the index, if there is one.
pub(crate) async fn find_builder(connection: &mut Connection, name: &str) -> Result<Option<i64>> {
    Ok(fetch(connection, optional::<(i64,)>(BUILDING, params![name])).await?.map(|(pid,)| pid))
}

/// A build in progress.
pub(crate) struct IndexBuild {
    name: String,
    start: Instant,
    blockers: Vec<Blocker>,
}

impl IndexBuild {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), start: Instant::now(), blockers: Vec::new() }
    }

    /// Returns the sessions that blocked the build at the last poll, as text.
    pub(crate) fn blocker_text(&self) -> String {
        if self.blockers.is_empty() {
            "nobody; it was still working".to_owned()
        } else {
            names(&self.blockers)
        }
    }

    pub(crate) async fn poll(
        &mut self,
        watch: &mut Connection,
        place: &StepPosition,
    ) -> Result<Option<Progress>> {
        let row = fetch(watch, optional::<Row>(BUILDER, params![&*self.name])).await?;
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

/// Returns the completed share of the build. Phases are weighted by their durations in trials with a few million
/// rows.
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
