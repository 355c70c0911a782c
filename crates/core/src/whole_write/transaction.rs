//! A whole transaction: a batch, and the batch that follows from its results.

use std::time::Instant;

use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::grouped_transaction::{ExecuteBatch, GroupedTransaction, TransactionEnd};
use tallybook_sql::query::{Batch, check, check_rows, queries, reset};
use tokio::sync::oneshot;

use crate::session::refuse_control;

/// A transaction on its way: it goes to a thread that runs it, and comes back with its end.
pub(super) struct Transaction<A, B, T, E, F> {
    parts: Parts<A, B, T, E>,
    next: F,
    is_timed: bool,
    reply: oneshot::Sender<Ended<A, B, T, E>>,
}

/// The batches of a transaction, and what became of them.
pub(super) struct Parts<A, B, T, E> {
    pub(super) first: A,
    pub(super) second: Option<B>,
    /// Value that the caller keeps from the first results.
    pub(super) kept: Option<T>,
    pub(super) failure: Option<Failure<E>>,
    /// When it began to run.
    pub(super) began: Option<Instant>,
}

/// Why a transaction is not kept.
pub(super) enum Failure<E> {
    /// The first batch failed.
    First(Error),
    /// The second batch failed.
    Second(Error),
    /// The caller's function refused the first results.
    Own(E),
}

/// A transaction that came back.
pub(super) struct Ended<A, B, T, E> {
    pub(super) parts: Parts<A, B, T, E>,
    pub(super) end: TransactionEnd,
}

impl<A, B, T, E, F> Transaction<A, B, T, E, F>
where
    A: Batch,
    B: Batch,
    F: Fn(A::Output) -> Result<(B, T), E>,
{
    pub(super) fn new(first: A, next: F, is_timed: bool, reply: oneshot::Sender<Ended<A, B, T, E>>) -> Self {
        let parts = Parts { first, second: None, kept: None, failure: None, began: None };
        Self { parts, next, is_timed, reply }
    }

    fn run_parts(&mut self, execute: &mut ExecuteBatch<'_>) -> Result<(), Failure<E>> {
        let parts = &mut self.parts;
        let since = || self.is_timed.then(Instant::now);
        let first = run_batch(&mut parts.first, since(), execute).map_err(Failure::First)?;
        let (second, kept) = (self.next)(first).map_err(Failure::Own)?;
        parts.kept = Some(kept);
        let second = parts.second.insert(second);
        check_batch(second).map_err(Failure::Second)?;
        execute_batch(second, since(), execute).map_err(Failure::Second)
    }
}

fn run_batch<B: Batch>(
    batch: &mut B,
    since: Option<Instant>,
    execute: &mut ExecuteBatch<'_>,
) -> Result<B::Output> {
    execute_batch(batch, since, execute)?;
    batch.finish()
}

/// Executes a batch and counts its rows.
fn execute_batch<B: Batch>(
    batch: &mut B,
    since: Option<Instant>,
    execute: &mut ExecuteBatch<'_>,
) -> Result<()> {
    let mut queries = queries(batch);
    if queries.is_empty() {
        return Ok(());
    }
    execute(&mut queries, since)?;
    check_rows(&queries)
}

/// Refuses a batch that must not be sent to SQLite.
pub(super) fn check_batch<B: Batch>(batch: &mut B) -> Result<()> {
    check(batch)?;
    queries(batch)
        .iter_mut()
        .try_for_each(|query| refuse_control(&query.request().statement, Dialect::Sqlite))
}

impl<A, B, T, E, F> GroupedTransaction for Transaction<A, B, T, E, F>
where
    A: Batch,
    B: Batch,
    T: Send,
    E: Send,
    F: Fn(A::Output) -> Result<(B, T), E> + Send,
{
    fn run(&mut self, execute: &mut ExecuteBatch<'_>) -> bool {
        if self.parts.began.is_some() {
            reset(&mut self.parts.first);
            (self.parts.second, self.parts.kept, self.parts.failure) = (None, None, None);
        }
        self.parts.began = Some(Instant::now());
        self.parts.failure = self.run_parts(execute).err();
        self.parts.failure.is_none()
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn end(self: Box<Self>, end: TransactionEnd) {
        // Nobody receives it if the caller has gone.
        let _ = self.reply.send(Ended { parts: self.parts, end });
    }
}
