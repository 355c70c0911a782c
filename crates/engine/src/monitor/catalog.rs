//! The statements that are known, within bounds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::fast::FixedState;

use super::fingerprint::Fingerprint;
use super::relations::Relations;
use super::series::Series;
use super::statement::Statement;

/// The size of all texts that are known by heart: several may have the same fingerprint.
const TEXTS_SIZE: usize = 2 << 20;
/// A longer text is looked at anew each time.
const LONGEST_TEXT: usize = 4_096;
/// The part of all statements that goes when there are too many: the longest unused ones.
const EVICTED_PART: usize = 8;

/// The statements by their texts and by their fingerprints.
#[derive(Debug)]
pub(super) struct Catalog {
    known: RwLock<Known>,
    /// The foreign keys of the database, which its statements carry with them.
    pub(super) relations: Arc<Relations>,
    /// Statements that are kept.
    limit: usize,
    /// Goes up with every use, to tell who was used last.
    clock: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    by_text: HashMap<Box<str>, Arc<Statement>, FixedState>,
    texts_size: usize,
    by_hash: HashMap<u64, Arc<Statement>, FixedState>,
    evicted: Evicted,
}

/// What is left of statements that are no longer kept.
#[derive(Debug, Default)]
struct Evicted {
    statements: u64,
    series: Series,
    /// Those that somebody held when they went: a run that is under way is counted when it ends.
    held: Vec<Arc<Statement>>,
}

/// What is known at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) statements: Vec<Arc<Statement>>,
    /// Statements that are no longer kept.
    pub(super) evicted: u64,
    /// Their figures.
    pub(super) left: Series,
}

impl Catalog {
    pub(super) fn new(limit: usize) -> Self {
        Self { known: RwLock::default(), relations: Arc::default(), limit, clock: AtomicU64::new(0) }
    }

    /// The statement with this text.
    pub(super) fn find(&self, sql: &str) -> Arc<Statement> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let found = self.known.read().unwrap_or_else(PoisonError::into_inner).by_text.get(sql).cloned();
        let statement = found.unwrap_or_else(|| self.add(sql));
        statement.touch(now);
        statement
    }

    fn add(&self, sql: &str) -> Arc<Statement> {
        let fingerprint = Fingerprint::of(sql);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let statement = match known.by_hash.get(&fingerprint.hash) {
            Some(statement) => Arc::clone(statement),
            None => {
                if known.by_hash.len() >= self.limit {
                    known.evict(self.limit);
                }
                let statement = Arc::new(Statement::new(fingerprint, Arc::clone(&self.relations)));
                known.by_hash.insert(statement.fingerprint.hash, Arc::clone(&statement));
                statement
            }
        };
        if sql.len() <= LONGEST_TEXT {
            known.learn(sql, Arc::clone(&statement));
        }
        statement
    }

    /// Taken at once: what goes in between would be in neither part, or in both.
    pub(super) fn snapshot(&self) -> Snapshot {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Snapshot {
            statements: known.by_hash.values().cloned().collect(),
            evicted: known.evicted.statements,
            left: known.evicted.figures(),
        }
    }
}

impl Known {
    fn learn(&mut self, sql: &str, statement: Arc<Statement>) {
        if self.texts_size + sql.len() > TEXTS_SIZE {
            self.by_text.clear();
            self.texts_size = 0;
        }
        if self.by_text.insert(sql.into(), statement).is_none() {
            self.texts_size += sql.len();
        }
    }

    /// Lets those go that were not used for the longest time; their totals stay.
    fn evict(&mut self, limit: usize) {
        let mut ages: Vec<_> =
            self.by_hash.values().map(|statement| (statement.used(), statement.fingerprint.hash)).collect();
        ages.sort_unstable();
        for (_, hash) in ages.into_iter().take((limit / EVICTED_PART).max(1)) {
            if let Some(statement) = self.by_hash.remove(&hash) {
                self.evicted.statements += 1;
                self.evicted.held.push(statement);
            }
        }
        let by_hash = &self.by_hash;
        self.by_text.retain(|_, statement| by_hash.contains_key(&statement.fingerprint.hash));
        self.texts_size = self.by_text.keys().map(|text| text.len()).sum();
        self.evicted.settle();
    }
}

impl Evicted {
    /// Adds up the figures of those that nobody holds any more.
    fn settle(&mut self) {
        let series = &mut self.series;
        self.held.retain_mut(|statement| match Arc::get_mut(statement) {
            Some(statement) => {
                series.add_evicted(statement);
                false
            }
            None => true,
        });
    }

    fn figures(&self) -> Series {
        let mut series = self.series.clone();
        self.held.iter().for_each(|statement| series.add_evicted(statement));
        series
    }
}
