//! Read sessions.

use std::fmt;
use std::panic::Location;

use tallybook_sql::call_site::CallSite;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::driver::Executed;
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::query::{All, Batch, ReadBatch, check, queries, reset};
use tallybook_sql::row::Row;
use tallybook_sql::statement::Statement;
use tallybook_sql::transaction::{Begin, End, TransactionFraming};
use tallybook_sql::value::Value;

use super::access::sealed::Sealed;
use super::explain::{explain, outline};
use super::pipeline::{SessionConnection, refuse_control};
use super::stream::StreamOwner;
use super::{Counts, Plan, RowStream, Session};
use crate::observe::Recorder;
use crate::routing::{Next, NodeConnection, Route};

/// A session that reads and cannot write. [`ReadSession::run`] does not accept
/// [`execute`](tallybook_sql::execute), SQL texts are checked, and the server refuses writes as well.
///
/// ```compile_fail
/// use tallybook::{Database, Settings, execute, params};
///
/// # async fn example() -> tallybook::Result<()> {
/// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
/// let mut session = db.read().await?;
/// session.run(execute("DELETE FROM notes", params![])).await?; // a read session does not take this
/// # Ok(())
/// # }
/// ```
///
/// Dropping the session releases its connection.
pub struct ReadSession {
    connection: SessionConnection,
    snapshot: Snapshot,
    /// A stream may have left its transaction open.
    has_streamed: bool,
    /// `None` if there is only one server.
    route: Option<Route>,
    caller: &'static Location<'static>,
}

/// The extent of a snapshot, and its progress.
enum Snapshot {
    /// Each batch takes its own snapshot.
    Batch,
    /// The next batch takes the session's snapshot, by this BEGIN; nothing of it has been seen.
    Next(Begin),
    /// The first batch has taken the session's snapshot.
    Seen,
    /// The session's snapshot is over, for this reason.
    Ended(String),
}

impl ReadSession {
    pub(crate) fn new(
        connection: NodeConnection,
        route: Option<Route>,
        caller: &'static Location<'static>,
        recorder: Option<Box<dyn Recorder>>,
    ) -> Self {
        Self {
            connection: SessionConnection::new(connection, recorder, true),
            snapshot: Snapshot::Batch,
            has_streamed: false,
            route,
            caller,
        }
    }

    /// Makes all batches see the snapshot that the first one takes, by this BEGIN.
    pub(crate) fn with_one_snapshot(self, begin: Begin) -> Self {
        Self { snapshot: Snapshot::Next(begin), ..self }
    }

    /// Runs a batch: one round trip, one snapshot.
    ///
    /// With replicas, a batch that fails because of its server (lost, hanging, or a conflict with replay) is
    /// retried on another replica and finally on the primary. On one server, a batch that fails because a
    /// table was altered under a prepared statement is retried once. A session with one snapshot retries only
    /// its first batch.
    ///
    /// If the future of an earlier batch was dropped, what is left of it is cleaned up first.
    ///
    /// # Errors
    /// The error that the database reports, a row that does not match its struct, or a statement that is not a read. In
    /// a session with one snapshot, a failed or dropped batch ends the session
    /// ([`Error::is_transaction_failed`] from then on), except the first batch: after that the next one takes
    /// a new snapshot.
    pub async fn run<B: ReadBatch>(&mut self, mut batch: B) -> Result<B::Output> {
        let statements = self.check(&mut batch)?;
        if statements == 0 {
            return batch.finish();
        }
        self.execute(batch, statements, false).await?.finish()
    }

    /// Runs a query and returns its rows one by one. Memory stays bounded, however many there are.
    ///
    /// All rows are of one snapshot: the session's, or one of the stream's own. On PostgreSQL that one, and the
    /// server's memory for the stream, are given back with the session's next batch, or when the session is
    /// dropped. The first rows of a stream may be retried on another server as those of a batch; once it is
    /// returned, it stays on its server.
    ///
    /// The stream may be dropped before its end: the session can be used again at once, and what the server
    /// still computes is cancelled.
    ///
    /// ```
    /// # use tallybook::{Database, Settings, all, params};
    /// # #[tokio::main]
    /// # async fn main() -> tallybook::Result<()> {
    /// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    /// let mut session = db.read().await?;
    /// let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) SELECT i FROM n";
    /// let mut rows = session.stream(all::<(i64,)>(numbers, params![100_000])).await?;
    /// let mut sum = 0;
    /// while let Some(row) = rows.next().await {
    ///     sum += row?.0;
    /// }
    /// assert_eq!(sum, 5_000_050_000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`ReadSession::run`]. In a session with one snapshot, a stream that fails after its start ends the
    /// session as well.
    pub async fn stream<T: Row>(&mut self, mut query: All<T>) -> Result<RowStream<'_, T>> {
        let statements = self.check(&mut query)?;
        self.has_streamed = true;
        let query = self.execute(query, statements, true).await?;
        RowStream::open(self, query, true)
    }

    /// Sends a batch, elsewhere if its server fails, and returns it with its answers.
    async fn execute<B: Batch>(&mut self, mut batch: B, statements: usize, opens_cursor: bool) -> Result<B> {
        self.check_snapshot()?;
        let may_change_node = !matches!(self.snapshot, Snapshot::Seen);
        let mut is_retry = false;
        loop {
            if self.is_unready() {
                Box::pin(self.make_ready()).await?;
            }
            let framing = self.framing(statements, opens_cursor);
            let executed = self.connection.execute(batch, framing).await;
            if may_change_node && !is_retry && executed.may_run_again() {
                is_retry = true;
                batch = Box::pin(self.clean_for_retry(executed)).await?;
                continue;
            }
            let next = match &mut self.route {
                Some(route) => route.assess(&executed, &self.connection.pooled, may_change_node),
                None => Next::Done,
            };
            if matches!(next, Next::Done) {
                self.record_outcome(&executed.outcome);
                executed.outcome?;
                return executed.batch.ok_or_else(|| Error::new(ErrorDetail::Lost));
            }
            let Executed { batch: Some(returned), outcome, .. } = executed else {
                return Err(Error::new(ErrorDetail::Lost));
            };
            Box::pin(self.retry_elsewhere(next, outcome)).await?;
            batch = returned;
            reset(&mut batch);
        }
    }

    /// Refuses to continue a snapshot that is over, because the server may have rolled it back.
    fn check_snapshot(&mut self) -> Result<()> {
        if matches!(self.snapshot, Snapshot::Seen) && self.connection.pooled.is_abandoned() {
            self.snapshot = Snapshot::Ended("a batch was abandoned before its end".to_owned());
        }
        match &self.snapshot {
            Snapshot::Ended(earlier) => {
                Err(Error::new(ErrorDetail::SnapshotEnded { earlier: earlier.clone() }))
            }
            _ => Ok(()),
        }
    }

    /// Records the outcome of a batch. A failure ends the snapshot on PostgreSQL, so it does on SQLite too.
    fn record_outcome(&mut self, outcome: &Result<()>) {
        match (&self.snapshot, outcome) {
            (Snapshot::Next(_), Ok(())) => self.snapshot = Snapshot::Seen,
            (Snapshot::Seen, Err(error)) => self.snapshot = Snapshot::Ended(error.to_string()),
            _ => {}
        }
    }

    /// Returns whether the next batch must wait: the connection was released, or an earlier batch is
    /// unfinished.
    fn is_unready(&self) -> bool {
        let connection = &self.connection.pooled;
        connection.is_released()
            || connection.is_abandoned()
            || (matches!(self.snapshot, Snapshot::Next(_)) && !connection.is_clean())
            || (matches!(self.snapshot, Snapshot::Batch) && self.has_streamed && !connection.is_clean())
    }

    /// Cleans up after an earlier batch, or acquires another connection.
    async fn make_ready(&mut self) -> Result<()> {
        let connection = &mut self.connection.pooled;
        if !connection.is_released() {
            // A late cancel request would hit the next statement.
            if connection.clean().await.is_ok() && !connection.was_cancelled() {
                return Ok(());
            }
            connection.release();
        }
        match &mut self.route {
            Some(route) => *connection = route.restart().await?,
            None => connection.reacquire(self.caller).await?,
        }
        Ok(())
    }

    /// Cleans up after a failed batch, or acquires another connection, so that it can be sent again.
    async fn clean_for_retry<B: Batch>(&mut self, executed: Executed<B>) -> Result<B> {
        if !self.connection.pooled.is_clean() {
            Box::pin(self.make_ready()).await?;
        }
        let mut batch = executed.batch.ok_or_else(|| Error::new(ErrorDetail::Lost))?;
        reset(&mut batch);
        Ok(batch)
    }

    fn framing(&self, statements: usize, opens_cursor: bool) -> TransactionFraming {
        let asks_replayed = self.route.as_ref().is_some_and(Route::asks_replayed);
        let mut framing = TransactionFraming {
            read_only: true,
            asks_replayed,
            opens_cursor,
            ..TransactionFraming::default()
        };
        match self.snapshot {
            // A single statement is its own snapshot; the connection's default makes it read-only.
            Snapshot::Batch if statements > 1 => {
                framing.begin = Some(Begin::Snapshot);
                framing.end = Some(End::Commit);
            }
            // PostgreSQL keeps a cursor in a transaction only. On SQLite a statement in progress is a snapshot.
            Snapshot::Batch if opens_cursor && self.dialect() == Dialect::Postgres => {
                framing.begin = Some(Begin::Snapshot);
            }
            Snapshot::Batch | Snapshot::Ended(_) => {}
            Snapshot::Next(begin) => framing.begin = Some(begin),
            Snapshot::Seen => framing.continues = true,
        }
        framing
    }

    /// Prepares to send a batch again: once its server is fresh enough, or on another server. If there is
    /// none, the original failure is returned.
    async fn retry_elsewhere(&mut self, next: Next, outcome: Result<()>) -> Result<()> {
        let Some(route) = &mut self.route else { return outcome };
        let connection = &mut self.connection.pooled;
        let other = match next {
            Next::Done => return outcome,
            Next::TooStale => route.wait(connection).await,
            Next::RetryElsewhere => route.next_node(connection).await,
        };
        match other? {
            Some(other) => *connection = other,
            None if connection.is_released() => return outcome.and(Err(Error::new(ErrorDetail::Lost))),
            None => {}
        }
        Ok(())
    }

    /// Returns the outline of a statement's plan.
    #[doc(hidden)]
    pub async fn outline(
        &mut self,
        statement: &Statement,
        values: Vec<Value>,
        call: CallSite,
    ) -> Result<String> {
        outline(self, statement, values, call).await
    }

    /// Returns the statements, round trips and rows of this session so far.
    pub fn counts(&self) -> Counts {
        self.connection.counts
    }

    /// Checks that a batch may be sent, and returns its number of statements.
    fn check<B: Batch>(&self, batch: &mut B) -> Result<usize> {
        check(batch)?;
        let dialect = self.connection.pooled.dialect();
        let queries = queries(batch);
        let count = queries.len();
        for query in queries {
            let statement = &query.request().statement;
            refuse_control(statement, dialect)?;
            if !statement.is_read(dialect) {
                return Err(Error::new(ErrorDetail::WriteInRead).with_statement(statement.sql(dialect)));
            }
        }
        Ok(count)
    }
}

impl fmt::Debug for ReadSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadSession").field("counts", &self.connection.counts).finish_non_exhaustive()
    }
}

impl StreamOwner for ReadSession {
    fn connection(&mut self) -> &mut SessionConnection {
        &mut self.connection
    }

    fn fail(&mut self, error: &Error) {
        if matches!(self.snapshot, Snapshot::Seen) {
            self.snapshot = Snapshot::Ended(error.to_string());
        }
    }
}

impl Sealed for ReadSession {}

impl Session for ReadSession {
    async fn fetch<B: ReadBatch>(&mut self, batch: B) -> Result<B::Output> {
        self.run(batch).await
    }

    async fn stream<T: Row>(&mut self, query: All<T>) -> Result<RowStream<'_, T>> {
        ReadSession::stream(self, query).await
    }

    async fn explain<B: ReadBatch>(&mut self, query: B) -> Result<Plan> {
        explain(self, query).await
    }

    fn counts(&self) -> Counts {
        self.connection.counts
    }

    fn dialect(&self) -> Dialect {
        self.connection.pooled.dialect()
    }
}
