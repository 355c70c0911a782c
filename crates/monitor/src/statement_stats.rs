//! Statistics of all runs of one fingerprint, as in `pg_stat_statements`.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tallybook_core::histogram::{Counted, Histogram};
use tallybook_sql::call_site::CallSite;
use tallybook_sql::fingerprint::Fingerprint;
use tallybook_sql::lock::lock;
use tallybook_sql::row::KeyColumn;
use tallybook_sql::stopwatch::Timing;

use super::duration_report::DurationReport;
use super::foreign_keys::ForeignKeys;
use super::workload::StatementSamples;

/// Failure kinds counted separately for one statement; further ones share [`OTHER`].
const MAX_FAILURES: usize = 8;
/// Upper bounds of the row-count buckets, as OpenTelemetry advises.
pub(super) const ROW_BUCKETS: &[u64] = &[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
/// OpenTelemetry's value for everything else.
pub(super) const OTHER: &str = "_OTHER";

/// The statistics of a statement, for all its parameter values.
#[derive(Debug)]
pub(super) struct StatementStats {
    pub(super) fingerprint: Fingerprint,
    /// Result columns whose values may later be parameters. Set by the first rows.
    pub(super) key_columns: OnceLock<Arc<[KeyColumn]>>,
    /// The foreign keys of its database, shared by all statements.
    pub(super) foreign_keys: Arc<ForeignKeys>,
    /// Its text and some parameter sets, for index advice.
    pub(super) samples: StatementSamples,
    times: Histogram,
    rows: Histogram,
    /// Wait for a connection, in nanoseconds, as are the next two.
    waited: AtomicU64,
    fetched: AtomicU64,
    decoded: AtomicU64,
    bytes: AtomicU64,
    /// Registry clock at the last use; the least recently used statement is evicted first.
    last_used: AtomicU64,
    last_call: Mutex<Option<&'static Location<'static>>>,
    failures: Mutex<BTreeMap<Box<str>, FailureStats>>,
    plan: Mutex<Option<(String, DateTime<Utc>)>>,
}

/// A successful run.
#[derive(Clone, Copy, Debug)]
pub(super) struct CompletedRun {
    pub(super) call: CallSite,
    pub(super) waited: Duration,
    pub(super) timing: Timing,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

/// Failures of one kind.
#[derive(Clone, Debug)]
pub(super) struct FailureStats {
    /// Set if the kind is a database error code.
    pub(super) is_code: bool,
    pub(super) times: Counted,
}

/// The statistics at one moment. Snapshots of several statements can be added.
#[derive(Clone, Debug)]
pub(super) struct StatsSnapshot {
    pub(super) times: Counted,
    pub(super) rows: Counted,
    pub(super) waited: Duration,
    pub(super) fetched: Duration,
    pub(super) decoded: Duration,
    pub(super) bytes: u64,
    pub(super) failures: BTreeMap<Box<str>, FailureStats>,
}

/// The statistics at one moment, as a report shows them.
#[derive(Clone, Debug)]
pub(super) struct StatementFigures {
    pub(super) times: DurationReport,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) waited: Duration,
    pub(super) fetched: Duration,
    pub(super) decoded: Duration,
    /// Failed runs by kind.
    pub(super) failures: Vec<(String, u64)>,
}

impl StatementStats {
    pub(super) fn new(fingerprint: Fingerprint, foreign_keys: Arc<ForeignKeys>) -> Self {
        Self {
            fingerprint,
            key_columns: OnceLock::new(),
            foreign_keys,
            samples: StatementSamples::default(),
            times: Histogram::times(),
            rows: Histogram::new(ROW_BUCKETS),
            waited: AtomicU64::new(0),
            fetched: AtomicU64::new(0),
            decoded: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            last_used: AtomicU64::new(0),
            last_call: Mutex::new(None),
            failures: Mutex::default(),
            plan: Mutex::new(None),
        }
    }

    pub(super) fn record_success(&self, run: &CompletedRun) {
        self.times.record_time(run.timing.total());
        self.rows.record(run.rows);
        for (sum, member) in [
            (&self.waited, run.waited.as_nanos() as u64),
            (&self.fetched, run.timing.fetch.as_nanos() as u64),
            (&self.decoded, run.timing.decode.as_nanos() as u64),
            (&self.bytes, run.bytes),
        ] {
            if member > 0 {
                sum.fetch_add(member, Ordering::Relaxed);
            }
        }
        self.set_last_call(run.call);
    }

    pub(super) fn record_failure(&self, kind: &str, is_code: bool, elapsed: Duration, call: CallSite) {
        self.set_last_call(call);
        let times = Histogram::times();
        times.record_time(elapsed);
        let times = times.counts();
        let mut failures = lock(&self.failures);
        let has_room = failures.contains_key(kind) || failures.len() + 1 < MAX_FAILURES;
        let (kind, is_code) = if has_room { (kind, is_code) } else { (OTHER, false) };
        add_failures(&mut failures, kind, &FailureStats { is_code, times });
    }

    /// Remembers the call site. Under contention any of the concurrent ones may win.
    fn set_last_call(&self, call: CallSite) {
        if let Ok(mut last) = self.last_call.try_lock() {
            *last = Some(call.at());
        }
    }

    /// Returns the line of code that last ran it.
    pub(super) fn last_call(&self) -> Option<&'static Location<'static>> {
        *lock(&self.last_call)
    }

    pub(super) fn touch(&self, now: u64) {
        self.last_used.store(now, Ordering::Relaxed);
    }

    pub(super) fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    pub(super) fn set_plan(&self, plan: String) {
        *lock(&self.plan) = Some((plan, Utc::now()));
    }

    /// Returns the plan captured when it was last slow, and the time of that.
    pub(super) fn plan(&self) -> Option<(String, DateTime<Utc>)> {
        lock(&self.plan).clone()
    }

    /// Returns the figures for a report, and adds the durations to those of all statements. Cheaper than a snapshot.
    pub(super) fn figures(&self, all: &mut Counted) -> StatementFigures {
        let load = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
        let (buckets, sum, longest) = self.times.sparse_into(all);
        let summary = buckets.summary(Duration::from_nanos(sum), Duration::from_nanos(longest));
        let failures = lock(&self.failures);
        StatementFigures {
            times: DurationReport::new(summary, buckets),
            rows: self.rows.sum(),
            bytes: load(&self.bytes),
            waited: Duration::from_nanos(load(&self.waited)),
            fetched: Duration::from_nanos(load(&self.fetched)),
            decoded: Duration::from_nanos(load(&self.decoded)),
            failures: failures.iter().map(|(kind, of)| (kind.to_string(), of.times.count())).collect(),
        }
    }

    pub(super) fn snapshot(&self) -> StatsSnapshot {
        let load = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
        let failures = lock(&self.failures);
        StatsSnapshot {
            times: self.times.counts(),
            rows: self.rows.counts(),
            waited: Duration::from_nanos(load(&self.waited)),
            fetched: Duration::from_nanos(load(&self.fetched)),
            decoded: Duration::from_nanos(load(&self.decoded)),
            bytes: load(&self.bytes),
            failures: failures.clone(),
        }
    }
}

impl StatsSnapshot {
    pub(super) fn add(&mut self, other: &Self) {
        self.times.add(&other.times);
        self.rows.add(&other.rows);
        self.waited += other.waited;
        self.fetched += other.fetched;
        self.decoded += other.decoded;
        self.bytes += other.bytes;
        for (kind, failures) in &other.failures {
            add_failures(&mut self.failures, kind, failures);
        }
    }

    /// Returns the number of failed runs.
    pub(super) fn errors(&self) -> u64 {
        self.failures.values().map(|failures| failures.times.count()).sum()
    }
}

fn add_failures(into: &mut BTreeMap<Box<str>, FailureStats>, kind: &str, more: &FailureStats) {
    match into.get_mut(kind) {
        Some(known) => known.times.add(&more.times),
        None => drop(into.insert(kind.into(), more.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_kinds_of_failure_are_kept_and_the_eighth_is_all_others() {
        let statement = StatementStats::new(Fingerprint::of("SELECT 1"), Arc::default());
        for code in (0..20).chain([3, 19]) {
            statement.record_failure(&format!("{code:05}"), true, Duration::from_millis(1), CallSite::here());
        }
        let failures = statement.snapshot().failures;
        let counts: Vec<_> =
            failures.iter().map(|(kind, of)| (&**kind, of.is_code, of.times.count())).collect();
        let codes = ["00000", "00001", "00002", "00003", "00004", "00005", "00006"];
        let mut expected = codes.map(|code| (code, true, 1)).to_vec();
        expected[3].2 = 2;
        expected.push((OTHER, false, 14));
        assert_eq!(counts, expected);
    }
}
