//! What is known of all runs of one fingerprint.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::fingerprint::Fingerprint;
use super::relations::Relations;
use crate::call::Call;
use crate::histogram::{Counted, Histogram};
use crate::row::KeyColumn;
use crate::stopwatch::Timing;

/// Kinds of failure told apart for one statement; further ones share [`OTHER`].
const MOST_FAILURES: usize = 8;
/// The upper ends of the buckets of rows, as OpenTelemetry advises.
pub(super) const ROW_BOUNDS: &[u64] = &[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
/// OpenTelemetry's word for them.
pub(super) const OTHER: &str = "_OTHER";

/// A statement, whatever its values, and the figures of its runs.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) fingerprint: Fingerprint,
    /// The columns of its result whose values may be parameters later; found with its first rows.
    pub(super) keys: OnceLock<Arc<[KeyColumn]>>,
    /// The foreign keys of its database.
    pub(super) relations: Arc<Relations>,
    times: Histogram,
    rows: Histogram,
    /// Nanoseconds.
    waited: AtomicU64,
    fetched: AtomicU64,
    decoded: AtomicU64,
    bytes: AtomicU64,
    /// When it was last used, by the monitor's clock; decides who is evicted.
    used: AtomicU64,
    last: Mutex<Option<&'static Location<'static>>>,
    failures: Mutex<BTreeMap<Box<str>, Failures>>,
    plan: Mutex<Option<String>>,
}

/// A run that succeeded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) call: Call,
    pub(super) waited: Duration,
    pub(super) timing: Timing,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

/// The failures of one kind.
#[derive(Clone, Debug)]
pub(super) struct Failures {
    /// Whether the kind is a code of the database.
    pub(super) is_code: bool,
    pub(super) times: Counted,
}

/// The figures of a statement at one moment. Those of several add up.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    pub(super) times: Counted,
    pub(super) rows: Counted,
    pub(super) waited: Duration,
    pub(super) fetched: Duration,
    pub(super) decoded: Duration,
    pub(super) bytes: u64,
    pub(super) failures: BTreeMap<Box<str>, Failures>,
}

impl Statement {
    pub(super) fn new(fingerprint: Fingerprint, relations: Arc<Relations>) -> Self {
        Self {
            fingerprint,
            keys: OnceLock::new(),
            relations,
            times: Histogram::times(),
            rows: Histogram::new(ROW_BOUNDS),
            waited: AtomicU64::new(0),
            fetched: AtomicU64::new(0),
            decoded: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            used: AtomicU64::new(0),
            last: Mutex::new(None),
            failures: Mutex::default(),
            plan: Mutex::new(None),
        }
    }

    pub(super) fn ran(&self, run: &Run) {
        self.times.record_time(run.timing.total());
        self.rows.record(run.rows);
        for (sum, part) in [
            (&self.waited, run.waited.as_nanos() as u64),
            (&self.fetched, run.timing.fetch.as_nanos() as u64),
            (&self.decoded, run.timing.decode.as_nanos() as u64),
            (&self.bytes, run.bytes),
        ] {
            if part > 0 {
                sum.fetch_add(part, Ordering::Relaxed);
            }
        }
        self.called(run.call);
    }

    pub(super) fn failed(&self, kind: &str, is_code: bool, took: Duration, call: Call) {
        self.called(call);
        let times = Histogram::times();
        times.record_time(took);
        let times = times.counts();
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let is_told_apart = failures.contains_key(kind) || failures.len() + 1 < MOST_FAILURES;
        let (kind, is_code) = if is_told_apart { (kind, is_code) } else { (OTHER, false) };
        add_failures(&mut failures, kind, &Failures { is_code, times });
    }

    /// Remembers the line; a line that several tasks set at once may be that of any.
    fn called(&self, call: Call) {
        if let Ok(mut last) = self.last.try_lock() {
            *last = Some(call.at());
        }
    }

    /// The line that last ran it.
    pub(super) fn last(&self) -> Option<&'static Location<'static>> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn touch(&self, now: u64) {
        self.used.store(now, Ordering::Relaxed);
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn explained(&self, plan: String) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
    }

    /// Its plan when it was last slow.
    pub(super) fn plan(&self) -> Option<String> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn figures(&self) -> Figures {
        let load = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        Figures {
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

impl Figures {
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

    /// Runs that failed.
    pub(super) fn errors(&self) -> u64 {
        self.failures.values().map(|failures| failures.times.count()).sum()
    }
}

fn add_failures(into: &mut BTreeMap<Box<str>, Failures>, kind: &str, more: &Failures) {
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
        let statement = Statement::new(Fingerprint::of("SELECT 1"), Arc::default());
        for code in (0..20).chain([3, 19]) {
            statement.failed(&format!("{code:05}"), true, Duration::from_millis(1), Call::here());
        }
        let failures = statement.figures().failures;
        let counts: Vec<_> =
            failures.iter().map(|(kind, of)| (&**kind, of.is_code, of.times.count())).collect();
        let codes = ["00000", "00001", "00002", "00003", "00004", "00005", "00006"];
        let mut expected = codes.map(|code| (code, true, 1)).to_vec();
        expected[3].2 = 2;
        expected.push((OTHER, false, 14));
        assert_eq!(counts, expected);
    }
}
