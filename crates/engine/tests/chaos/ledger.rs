//! What was acknowledged to writers, and what must therefore be found.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tallybook_engine::CommitToken;

use crate::clock;

/// A transaction that was acknowledged.
#[derive(Clone, Copy)]
pub(crate) struct Ack {
    /// The row that it inserted.
    pub(crate) id: i64,
    /// What its writer's heartbeat held from then on.
    pub(crate) beat: i64,
    pub(crate) token: CommitToken,
    /// When it was acknowledged.
    pub(crate) at: i64,
}

/// The transactions of some writers, in the order of each.
pub(crate) struct Ledger {
    writers: Vec<Mutex<Pages>>,
}

#[derive(Default)]
struct Pages {
    acks: Vec<Ack>,
    /// Rows of transactions that may or may not have happened, as the error said.
    unknown: Vec<i64>,
}

impl Ledger {
    pub(crate) fn new(writers: usize) -> Self {
        Self { writers: (0..writers).map(|_| Mutex::default()).collect() }
    }

    fn pages(&self, writer: usize) -> MutexGuard<'_, Pages> {
        self.writers[writer].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn acknowledged(&self, writer: usize, id: i64, beat: i64, token: CommitToken) {
        self.pages(writer).acks.push(Ack { id, beat, token, at: clock::micros() });
    }

    pub(crate) fn unknown(&self, writer: usize, id: i64) {
        self.pages(writer).unknown.push(id);
    }

    pub(crate) fn last(&self, writer: usize) -> Option<Ack> {
        self.pages(writer).acks.last().copied()
    }

    /// The heartbeat that a read must see that reads nothing older than `moment`.
    pub(crate) fn beat_at(&self, writer: usize, moment: i64) -> i64 {
        let pages = self.pages(writer);
        let older = pages.acks.partition_point(|ack| ack.at <= moment);
        older.checked_sub(1).map_or(0, |index| pages.acks[index].beat)
    }

    pub(crate) fn acks(&self) -> Vec<Ack> {
        (0..self.writers.len()).flat_map(|writer| self.pages(writer).acks.clone()).collect()
    }

    pub(crate) fn unknowns(&self) -> HashSet<i64> {
        (0..self.writers.len()).flat_map(|writer| self.pages(writer).unknown.clone()).collect()
    }

    /// Acknowledged transactions whose rows are not among those that were found.
    pub(crate) fn lost(&self, found: &HashSet<i64>) -> Vec<Ack> {
        self.acks().into_iter().filter(|ack| !found.contains(&ack.id)).collect()
    }

    /// Rows that were found though their transactions were told to have failed.
    pub(crate) fn unexpected(&self, found: &HashSet<i64>) -> Vec<i64> {
        let mut told = self.unknowns();
        told.extend(self.acks().iter().map(|ack| ack.id));
        found.difference(&told).copied().collect()
    }
}
