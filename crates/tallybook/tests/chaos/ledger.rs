//! The commits that writers saw acknowledged, which must therefore be found.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tallybook::CommitToken;

use crate::clock;

/// An acknowledged transaction.
#[derive(Clone, Copy)]
pub(crate) struct Ack {
    /// Id of the row that it inserted.
    pub(crate) id: i64,
    /// Value of its writer's heartbeat from then on.
    pub(crate) beat: i64,
    pub(crate) token: CommitToken,
    /// Time of the acknowledgement.
    pub(crate) at: i64,
}

/// The transactions of some writers, in order for each writer.
pub(crate) struct Ledger {
    writers: Vec<Mutex<Pages>>,
}

#[derive(Default)]
struct Pages {
    acks: Vec<Ack>,
    /// Rows of transactions whose outcome is unknown, as the error said.
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

    /// Returns the minimum heartbeat for a read that may not be older than `moment`.
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

    /// Returns the acknowledged transactions whose rows were not found.
    pub(crate) fn lost(&self, found: &HashSet<i64>) -> Vec<Ack> {
        self.acks().into_iter().filter(|ack| !found.contains(&ack.id)).collect()
    }

    /// Returns the rows that were found although their transactions were reported as failed.
    pub(crate) fn unexpected(&self, found: &HashSet<i64>) -> Vec<i64> {
        let mut known = self.unknowns();
        known.extend(self.acks().iter().map(|ack| ack.id));
        found.difference(&known).copied().collect()
    }
}
