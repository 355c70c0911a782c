//! The bounded set of keys read in a scope.

use std::sync::Arc;

use tallybook_sql::call_site::CallSite;
use tallybook_sql::row::{KeyColumn, KeySample};

use super::super::statement_stats::StatementStats;
use super::call_key::CallKey;
use super::pipeline::AnsweredStatement;

/// Maximum number of statements whose keys are kept.
pub(super) const MAX_SOURCES: usize = 64;
/// Maximum number of keys over all of them.
pub(super) const MAX_KEYS: usize = 8_192;
/// Maximum number of keys of one result.
const MAX_KEYS_PER_RESULT: usize = MAX_KEYS / 2;

/// A statement whose results supplied keys.
#[derive(Debug)]
pub(super) struct KeySource {
    pub(super) call_key: CallKey,
    pub(super) statement: Arc<StatementStats>,
    pub(super) call: CallSite,
    pub(super) columns: Arc<[KeyColumn]>,
    /// Rows read.
    pub(super) rows: u64,
    /// Set if one result had several rows.
    has_several_rows: bool,
    /// Set if one pipeline had several of its results.
    is_batched: bool,
    /// Number of keys kept.
    keys: usize,
    /// Number of keys about to be dropped.
    surplus: usize,
    /// Tick of its creation; older keys belong to the source it replaced.
    created_at: u64,
    last_used: u64,
}

/// A key that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadKey {
    pub(super) value: u64,
    /// Tick of the result, the same for a whole pipeline.
    pub(super) tick: u64,
    pub(super) source: u8,
    pub(super) column: u8,
}

/// The keys read in a scope.
#[derive(Debug, Default)]
pub(super) struct KeySources {
    pub(super) sources: Vec<KeySource>,
    /// In reading order.
    pub(super) keys: Vec<ReadKey>,
}

impl KeySource {
    /// Returns whether the key belongs to this source, not to the one it replaced.
    pub(super) fn owns(&self, key: &ReadKey) -> bool {
        key.tick >= self.created_at
    }

    fn retains(&mut self, key: &ReadKey) -> bool {
        if !self.owns(key) {
            return false;
        }
        let is_surplus = self.surplus > 0;
        self.surplus -= usize::from(is_surplus);
        !is_surplus
    }
}

impl KeySources {
    /// Keeps the keys of a result.
    pub(super) fn keep(&mut self, answered: &AnsweredStatement<'_>, sample: &KeySample, tick: u64) {
        let Some(columns) = sample.columns.as_ref().filter(|_| !sample.keys.is_empty()) else { return };
        let index = self.find(answered, columns, tick);
        self.make_room(sample.keys.len().min(MAX_KEYS_PER_RESULT));
        let source = &mut self.sources[index];
        let has_several_rows = sample.rows > 1;
        source.rows += sample.rows;
        source.has_several_rows |= has_several_rows;
        source.is_batched |= source.rows > sample.rows && source.last_used == tick;
        source.last_used = tick;
        let before = self.keys.len();
        for key in sample.keys.iter().take(MAX_KEYS_PER_RESULT) {
            // A text of a single row raises no suspicion.
            let is_kept = has_several_rows || columns.get(key.column as usize).is_some_and(KeyColumn::is_key);
            if let (true, Ok(column)) = (is_kept, u8::try_from(key.column)) {
                self.keys.push(ReadKey { value: key.value, tick, source: index as u8, column });
            }
        }
        source.keys += self.keys.len() - before;
    }

    /// Returns whether several rows of a kind ever arrived together.
    pub(super) fn have_several_rows(&self) -> bool {
        self.sources.iter().any(|source| source.has_several_rows || source.is_batched)
    }

    fn find(&mut self, answered: &AnsweredStatement<'_>, columns: &Arc<[KeyColumn]>, tick: u64) -> usize {
        let call_key = CallKey::of(answered.call, &answered.statement.fingerprint);
        let is_same = |source: &KeySource| {
            source.call_key == call_key
                && (Arc::ptr_eq(&source.columns, columns) || source.columns == *columns)
        };
        // Newest first: it is the most likely to be read again.
        if let Some(index) = self.sources.iter().rposition(is_same) {
            return index;
        }
        let source = KeySource {
            call_key,
            statement: Arc::clone(answered.statement),
            call: answered.call,
            columns: Arc::clone(columns),
            rows: 0,
            has_several_rows: false,
            is_batched: false,
            keys: 0,
            surplus: 0,
            created_at: tick,
            last_used: tick,
        };
        self.add(source)
    }

    fn add(&mut self, source: KeySource) -> usize {
        if self.sources.len() < MAX_SOURCES {
            self.sources.push(source);
            return self.sources.len() - 1;
        }
        // The source of a loop has several rows and is not read again while the loop runs.
        let oldest = self
            .sources
            .iter()
            .enumerate()
            .min_by_key(|(_, source)| (source.has_several_rows, source.last_used));
        let index = oldest.map_or(0, |(index, _)| index);
        self.sources[index] = source;
        index
    }

    /// Halves the sources above average until the new keys fit. A long job thus loses the newest level of its
    /// loops gradually, and never the first level at once.
    fn make_room(&mut self, wanted: usize) {
        while self.keys.len() + wanted > MAX_KEYS {
            // At least one source reaches the average, so each round frees some keys.
            let share = self.sources.iter().map(|source| source.keys).sum::<usize>() / self.sources.len();
            for source in self.sources.iter_mut().filter(|source| source.keys >= share) {
                source.surplus = source.keys.div_ceil(2);
                source.keys -= source.surplus;
            }
            let sources = &mut self.sources;
            self.keys.retain(|key| sources[usize::from(key.source)].retains(key));
        }
    }

    pub(super) fn clear(&mut self) {
        self.sources.clear();
        self.keys.clear();
    }
}
