//! The bounded registry of all statements seen.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use foldhash::fast::FixedState;
use tallybook_sql::fingerprint::Fingerprint;
use tallybook_sql::lock::{read, write};

use super::foreign_keys::ForeignKeys;
use super::metric_series::MetricSeries;
use super::statement_stats::StatementStats;

/// Total size of the cached SQL texts, in bytes. Several texts may share a fingerprint.
const MAX_CACHED_BYTES: usize = 2 << 20;
/// A longer text is fingerprinted on every run instead of cached.
const MAX_CACHED_TEXT: usize = 4_096;
/// One eighth of the statements is evicted at a time, least recently used first.
const EVICTED_FRACTION: usize = 8;

/// Statements by SQL text and by fingerprint.
#[derive(Debug)]
pub(super) struct StatementRegistry {
    entries: RwLock<Entries>,
    /// The foreign keys of the database, shared with every statement.
    pub(super) foreign_keys: Arc<ForeignKeys>,
    /// Maximum number of statements.
    limit: usize,
    /// Logical clock of uses, for least-recently-used eviction.
    clock: AtomicU64,
}

#[derive(Debug, Default)]
struct Entries {
    by_text: HashMap<Box<str>, Arc<StatementStats>, FixedState>,
    cached_bytes: usize,
    by_hash: HashMap<u64, Arc<StatementStats>, FixedState>,
    evicted: Evicted,
}

/// Totals of evicted statements.
#[derive(Debug, Default)]
struct Evicted {
    statements: u64,
    metric_series: MetricSeries,
    /// Evicted statements still referenced: a run in flight is counted when it completes.
    referenced: Vec<Arc<StatementStats>>,
}

/// The registry at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) statements: Vec<Arc<StatementStats>>,
    /// Number of evicted statements.
    pub(super) evicted: u64,
    /// Their statistics.
    pub(super) evicted_series: MetricSeries,
}

impl StatementRegistry {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: RwLock::default(), foreign_keys: Arc::default(), limit, clock: AtomicU64::new(0) }
    }

    /// Returns the statement with this text, registering it if it is new.
    pub(super) fn find(&self, sql: &str) -> Arc<StatementStats> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let found = read(&self.entries).by_text.get(sql).cloned();
        let statement = found.unwrap_or_else(|| self.add(sql));
        statement.touch(now);
        statement
    }

    fn add(&self, sql: &str) -> Arc<StatementStats> {
        let fingerprint = Fingerprint::of(sql);
        let mut entries = write(&self.entries);
        let statement = match entries.by_hash.get(&fingerprint.hash) {
            Some(statement) => Arc::clone(statement),
            None => {
                if entries.by_hash.len() >= self.limit {
                    entries.evict(self.limit);
                }
                let statement = Arc::new(StatementStats::new(fingerprint, Arc::clone(&self.foreign_keys)));
                entries.by_hash.insert(statement.fingerprint.hash, Arc::clone(&statement));
                statement
            }
        };
        if sql.len() <= MAX_CACHED_TEXT {
            entries.cache_text(sql, Arc::clone(&statement));
        }
        statement
    }

    /// Takes both parts under one lock, so that no statement is in neither or in both.
    pub(super) fn snapshot(&self) -> Snapshot {
        let entries = read(&self.entries);
        Snapshot {
            statements: entries.by_hash.values().cloned().collect(),
            evicted: entries.evicted.statements,
            evicted_series: entries.evicted.series(),
        }
    }
}

impl Entries {
    fn cache_text(&mut self, sql: &str, statement: Arc<StatementStats>) {
        if self.cached_bytes + sql.len() > MAX_CACHED_BYTES {
            self.by_text.clear();
            self.cached_bytes = 0;
        }
        if self.by_text.insert(sql.into(), statement).is_none() {
            self.cached_bytes += sql.len();
        }
    }

    /// Evicts the least recently used statements and keeps their totals.
    fn evict(&mut self, limit: usize) {
        let mut ages: Vec<_> = self
            .by_hash
            .values()
            .map(|statement| (statement.last_used(), statement.fingerprint.hash))
            .collect();
        ages.sort_unstable();
        for (_, hash) in ages.into_iter().take((limit / EVICTED_FRACTION).max(1)) {
            if let Some(statement) = self.by_hash.remove(&hash) {
                self.evicted.statements += 1;
                self.evicted.referenced.push(statement);
            }
        }
        let by_hash = &self.by_hash;
        self.by_text.retain(|_, statement| by_hash.contains_key(&statement.fingerprint.hash));
        self.cached_bytes = self.by_text.keys().map(|text| text.len()).sum();
        self.evicted.fold_unreferenced();
    }
}

impl Evicted {
    /// Folds statements that nobody references any more into the totals.
    fn fold_unreferenced(&mut self) {
        let metric_series = &mut self.metric_series;
        self.referenced.retain_mut(|statement| match Arc::get_mut(statement) {
            Some(statement) => {
                metric_series.add_evicted(statement);
                false
            }
            None => true,
        });
    }

    fn series(&self) -> MetricSeries {
        let mut metric_series = self.metric_series.clone();
        self.referenced.iter().for_each(|statement| metric_series.add_evicted(statement));
        metric_series
    }
}
