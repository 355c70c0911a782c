//! Types that both drivers share.

use std::time::Duration;

use crate::error::{Error, ErrorDetail, Result};
use crate::query::Batch;
use crate::replication::Position;

/// Longest statement, in bytes, that a driver keeps prepared. A connection keeps many statements, and each takes
/// several times its text.
pub const MAX_PREPARED_BYTES: usize = 32 << 10;
/// Default number of statements kept prepared on a PostgreSQL connection.
pub const STATEMENT_CACHE_SIZE: usize = 256;

/// The use of a connection. SQLite opens readers and writers differently, which PostgreSQL does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Read sessions.
    Read,
    /// Write sessions.
    Write,
    /// The migration runner: writes outside of transactions too, and ignores the time-outs of the session.
    Migrate,
    /// Programs that look at a server, and keep settings and temporary tables from one statement to the next.
    Inspect,
}

/// A batch after its execution, successful or not.
pub struct Executed<B> {
    /// The batch, or `None` if the connection's thread died while it ran.
    pub batch: Option<B>,
    /// Success, or the first error.
    pub outcome: Result<()>,
    /// LSN up to which the replica had replayed the log before the batch ran, if
    /// [`TransactionFraming::asks_replayed`](crate::transaction::TransactionFraming::asks_replayed) was set.
    pub replayed: Option<u64>,
    /// Position of the commit, if the pipeline committed and its position is known. `None` on SQLite.
    pub position: Option<Position>,
    /// True if all statements succeeded, and the error is that of the end of the transaction.
    pub failed_at_end: bool,
}

impl<B> Executed<B> {
    /// Returns an executed batch without positions.
    pub fn new(batch: Option<B>, outcome: Result<()>) -> Self {
        Self { batch, outcome, replayed: None, position: None, failed_at_end: false }
    }

    /// Returns whether it failed on a stale prepared statement. The connection has dropped its prepared statements by
    /// then, so running the batch again succeeds.
    pub fn may_run_again(&self) -> bool {
        self.batch.is_some() && self.outcome.as_ref().is_err_and(Error::is_stale_plan)
    }

    /// Returns the output of the batch, or its error.
    pub fn finish(mut self) -> Result<B::Output>
    where
        B: Batch,
    {
        self.outcome?;
        self.batch.as_mut().ok_or_else(|| Error::new(ErrorDetail::Lost))?.finish()
    }
}

/// Some rows of a stream, in their order.
#[derive(Debug)]
pub struct Page<T> {
    /// The rows; empty only at the end.
    pub rows: Vec<T>,
    /// The end of the stream, if these are its last rows: success, or the failure after them.
    pub end: Option<Result<()>>,
}

/// Most rows of a [`Page`].
pub const PAGE_ROWS: usize = 256;
/// Bytes after which a [`Page`] takes no further row.
pub const PAGE_BYTES: u64 = 64 << 10;

/// The totals of a bulk load.
#[derive(Clone, Copy, Debug)]
pub struct Loaded {
    /// Rows inserted.
    pub rows: u64,
    /// Statements executed.
    pub statements: u64,
    /// Round trips to the server, or hops to the connection's thread.
    pub round_trips: u64,
    /// Time spent waiting for the database. Excludes the time in which the caller produced rows.
    pub busy: Duration,
}
