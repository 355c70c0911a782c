//! The keys that were read in a scope, within bounds.

use std::sync::Arc;

use super::super::statement::Statement;
use super::flight::Answered;
use super::spot::Spot;
use crate::call::Call;
use crate::row::{KeyColumn, Taken};

/// Statements whose keys are kept.
pub(super) const SOURCES: usize = 64;
/// Keys of all of them.
pub(super) const KEYS: usize = 8_192;
/// Keys of one result.
const KEYS_OF_RESULT: usize = KEYS / 2;

/// A statement that values were read by.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) spot: Spot,
    pub(super) statement: Arc<Statement>,
    pub(super) call: Call,
    pub(super) columns: Arc<[KeyColumn]>,
    /// All that it read.
    pub(super) rows: u64,
    /// Whether it read several rows at once.
    is_wide: bool,
    /// Whether several results of it came in one flight.
    is_batched: bool,
    /// How many of its keys are kept.
    keys: usize,
    /// How many of them are about to go.
    surplus: usize,
    /// Keys that are older are those of the source whose place it took.
    since: u64,
    used: u64,
}

/// A value that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) value: u64,
    /// When the result came: the same for all that came in one flight.
    pub(super) tick: u64,
    pub(super) source: u8,
    pub(super) column: u8,
}

/// The keys that were read.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) sources: Vec<Source>,
    /// In the order in which they were read.
    pub(super) keys: Vec<Kept>,
}

impl Source {
    /// Whether the key is one of it; one of a source before it goes with the next that must go.
    pub(super) fn owns(&self, key: &Kept) -> bool {
        key.tick >= self.since
    }

    fn retains(&mut self, key: &Kept) -> bool {
        if !self.owns(key) {
            return false;
        }
        let is_surplus = self.surplus > 0;
        self.surplus -= usize::from(is_surplus);
        !is_surplus
    }
}

impl Sources {
    /// Keeps the keys of a result.
    pub(super) fn keep(&mut self, answered: &Answered<'_>, taken: &Taken, tick: u64) {
        let Some(columns) = taken.columns.as_ref().filter(|_| !taken.keys.is_empty()) else { return };
        let index = self.find(answered, columns, tick);
        self.make_room(taken.keys.len().min(KEYS_OF_RESULT));
        let source = &mut self.sources[index];
        let is_wide = taken.rows > 1;
        source.rows += taken.rows;
        source.is_wide |= is_wide;
        source.is_batched |= source.rows > taken.rows && source.used == tick;
        source.used = tick;
        let before = self.keys.len();
        for key in taken.keys.iter().take(KEYS_OF_RESULT) {
            // A text of a single row raises no suspicion.
            let is_kept = is_wide || columns.get(key.column as usize).is_some_and(KeyColumn::is_key);
            if let (true, Ok(column)) = (is_kept, u8::try_from(key.column)) {
                self.keys.push(Kept { value: key.value, tick, source: index as u8, column });
            }
        }
        source.keys += self.keys.len() - before;
    }

    /// Whether several rows of a kind ever came at once.
    pub(super) fn are_wide(&self) -> bool {
        self.sources.iter().any(|source| source.is_wide || source.is_batched)
    }

    fn find(&mut self, answered: &Answered<'_>, columns: &Arc<[KeyColumn]>, tick: u64) -> usize {
        let spot = Spot::of(answered.call, &answered.statement.fingerprint);
        let is_same = |source: &Source| {
            source.spot == spot && (Arc::ptr_eq(&source.columns, columns) || source.columns == *columns)
        };
        // From behind, because the latest is read again the soonest.
        if let Some(index) = self.sources.iter().rposition(is_same) {
            return index;
        }
        let source = Source {
            spot,
            statement: Arc::clone(answered.statement),
            call: answered.call,
            columns: Arc::clone(columns),
            rows: 0,
            is_wide: false,
            is_batched: false,
            keys: 0,
            surplus: 0,
            since: tick,
            used: tick,
        };
        self.add(source)
    }

    fn add(&mut self, source: Source) -> usize {
        if self.sources.len() < SOURCES {
            self.sources.push(source);
            return self.sources.len() - 1;
        }
        // What a loop starts from has several rows, and is not read again while the loop runs.
        let oldest = self.sources.iter().enumerate().min_by_key(|(_, source)| (source.is_wide, source.used));
        let index = oldest.map_or(0, |(index, _)| index);
        self.sources[index] = source;
        index
    }

    /// Halves the sources that have more than their share, until there is room: a long job so loses the
    /// newest level of its loops bit by bit, and not the first level at once.
    fn make_room(&mut self, wanted: usize) {
        while self.keys.len() + wanted > KEYS {
            // At least one has its share, so that each round makes some room.
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
