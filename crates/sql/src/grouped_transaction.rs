//! Transactions of several callers that share their work.

use std::any::Any;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::query::Query;

/// Executes the queries of a batch and times them, from the given moment on.
pub type ExecuteBatch<'a> = dyn FnMut(&mut [&mut dyn Query], Option<Instant>) -> Result<()> + 'a;

/// The whole transaction of one caller. It may share BEGIN, COMMIT and the flush with others: no statement of it waits for
/// its caller.
pub trait GroupedTransaction: Send {
    /// Runs its batches through `execute`, and returns whether to keep what they did; the reason why not stays with it.
    ///
    /// It runs again, from the start, if what it did was undone through no fault of its own.
    fn run(&mut self, execute: &mut ExecuteBatch<'_>) -> bool;

    /// Returns whether nobody waits for its end any more.
    fn is_abandoned(&self) -> bool;

    /// Tells its caller how it ended.
    fn end(self: Box<Self>, end: TransactionEnd);
}

/// The end of a transaction.
pub enum TransactionEnd {
    /// It is committed, and durable.
    Committed,
    /// It did not want to be kept, and is rolled back.
    RolledBack,
    /// It could not begin or commit.
    Failed(Error),
    /// It panicked, and is rolled back.
    Panicked(Box<dyn Any + Send>),
}
