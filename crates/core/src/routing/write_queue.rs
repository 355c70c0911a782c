//! The queue of whole transactions whose callers wait for the writer of an SQLite file.
//!
//! Each caller waits for a connection as everyone does. The first to get one takes the transactions of all who wait, runs
//! them as a group, and so spares the others a connection.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tallybook_sql::grouped_transaction::GroupedTransaction;
use tallybook_sql::lock::lock;

/// Maximum number of members of a group, so that other writers get their turn.
const MAX_MEMBERS: usize = 64;

/// Whole transactions in the order of their arrival.
#[derive(Default)]
pub(crate) struct WriteQueue {
    last: AtomicU64,
    waiting: Mutex<VecDeque<(u64, Box<dyn GroupedTransaction>)>>,
}

impl WriteQueue {
    /// Adds a transaction. It is withdrawn when the place is dropped, unless somebody has taken it.
    pub(crate) fn join(&self, transaction: Box<dyn GroupedTransaction>) -> Place<'_> {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        lock(&self.waiting).push_back((number, transaction));
        Place { queue: self, number }
    }

    /// Takes the members of the next group, first come, first served.
    pub(crate) fn take(&self) -> Vec<Box<dyn GroupedTransaction>> {
        let mut waiting = lock(&self.waiting);
        let count = waiting.len().min(MAX_MEMBERS);
        waiting.drain(..count).map(|(_, transaction)| transaction).collect()
    }
}

/// A place in the queue.
pub(crate) struct Place<'a> {
    queue: &'a WriteQueue,
    number: u64,
}

impl Place<'_> {
    /// Returns whether nobody has taken the transaction.
    pub(crate) fn is_waiting(&self) -> bool {
        lock(&self.queue.waiting).iter().any(|(number, _)| *number == self.number)
    }

    /// Withdraws the transaction. Returns false if somebody has taken it.
    pub(crate) fn leave(&self) -> bool {
        let mut waiting = lock(&self.queue.waiting);
        let found = waiting.iter().position(|(number, _)| *number == self.number);
        let left = found.and_then(|index| waiting.remove(index));
        drop(waiting);
        left.is_some()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}
