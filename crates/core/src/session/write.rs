//! Write sessions.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::thread;

use tallybook_sql::call_site::CallSite;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::driver::Executed;
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::query::{All, Batch, ReadBatch, check, queries, reset};
use tallybook_sql::row::Row;
use tallybook_sql::transaction::{Begin, IsolationLevel, TransactionFraming};

use super::access::sealed::Sealed;
use super::explain::explain;
use super::pipeline::{SessionConnection, refuse_control};
use super::stream::StreamOwner;
use super::{CommitToken, Counts, Plan, RowStream, Session};
use crate::driver::Load;
use crate::observe::Recorder;
use crate::pool::{AcquireBudget, AcquireDeadline};
use crate::routing::{NodeConnection, Router};

/// One transaction on the primary.
///
/// If it is dropped without a commit, it rolls back, whether because of an error, a panic or a cancelled
/// task. After a failed statement it can no longer be committed, on either dialect, so partial work is never
/// kept.
pub struct WriteSession {
    pub(super) connection: SessionConnection,
    pub(super) state: State,
    isolation: IsolationLevel,
    pub(super) savepoints: Savepoints,
    pub(super) router: Arc<Router>,
    caller: &'static Location<'static>,
    /// It ran a statement that is not a read.
    has_written: bool,
    /// It belongs to a closure, whose result decides about the commit.
    is_in_closure: bool,
    /// Commit or rollback was requested.
    pub(super) end_requested: bool,
    /// Number of times it began on another connection.
    reconnects: u32,
}

/// Limit of `reconnects`.
const MAX_RECONNECTS: u32 = 2;

pub(super) enum State {
    /// BEGIN travels with the first statement.
    NotBegun,
    Open,
    /// A request was sent and its end not seen. Final if its future was dropped.
    Pending,
    /// It cannot be committed, for this reason.
    Failed(String),
    /// Something other than the session ended the transaction.
    Ended,
    /// Its last batch committed it. `refused` is true if the caller was told so by the error of that batch.
    Committed {
        token: CommitToken,
        refused: bool,
    },
    /// Its last batch was sent, and it was not seen that it committed.
    CommitUnknown,
}

/// The savepoints of a session.
#[derive(Debug, Default)]
pub(super) struct Savepoints {
    /// Number of those that are set.
    pub(super) open: u32,
    /// The outermost one that was dropped. The next request rolls back to it first.
    pub(super) dropped: Option<u32>,
}

impl WriteSession {
    pub(crate) fn new(
        connection: NodeConnection,
        router: Arc<Router>,
        caller: &'static Location<'static>,
        recorder: Option<Box<dyn Recorder>>,
    ) -> Self {
        Self {
            connection: SessionConnection::new(connection, recorder, false),
            state: State::NotBegun,
            isolation: IsolationLevel::default(),
            savepoints: Savepoints::default(),
            has_written: false,
            is_in_closure: false,
            end_requested: false,
            router,
            caller,
            reconnects: 0,
        }
    }

    /// Sets the isolation level.
    pub(crate) fn with_isolation(mut self, isolation: IsolationLevel) -> Self {
        self.isolation = isolation;
        self
    }

    /// Marks it as the session of a closure.
    pub(crate) fn in_closure(mut self) -> Self {
        self.is_in_closure = true;
        self
    }

    /// Runs a batch in one round trip, in the given order.
    ///
    /// On PostgreSQL each statement sees what others committed before it began, so two of one batch can show
    /// two moments. For one snapshot, begin the transaction at
    /// [`RepeatableRead`](IsolationLevel::RepeatableRead). On SQLite nobody else writes meanwhile.
    ///
    /// # Errors
    /// The error that the database reports; from then on the transaction can only be rolled back. A batch that is
    /// refused before it is sent leaves the transaction intact: an unsuitable value, or a statement that
    /// begins or ends a transaction ([`Error::is_transaction_control`]). A decimal parameter that a double would round
    /// is refused later, by the connection, which knows the type that the statement needs.
    pub async fn run<B: Batch>(&mut self, mut batch: B) -> Result<B::Output> {
        if self.inspect(&mut batch)? {
            return batch.finish();
        }
        let mut batch = self.execute(batch, false).await?;
        self.finish_statement(batch.finish())
    }

    /// Refuses a batch that must not be sent, and notes that one writes. Returns whether it is empty.
    pub(super) fn inspect(&mut self, batch: &mut impl Batch) -> Result<bool> {
        check(batch)?;
        let mut sent = queries(batch);
        let dialect = self.connection.pooled.dialect();
        let mut only_reads = true;
        for query in &mut sent {
            let statement = &query.request().statement;
            refuse_control(statement, dialect)?;
            only_reads &= statement.is_read(dialect);
        }
        self.has_written |= !only_reads;
        Ok(sent.is_empty())
    }

    /// Runs a query and returns its rows one by one. Memory stays bounded, however many there are.
    ///
    /// The rows are those of one moment, and of this transaction. The stream may be dropped before its end: the
    /// transaction goes on. On PostgreSQL the next statement then waits for at most 1,000 rows that were
    /// requested already.
    ///
    /// # Errors
    /// As [`WriteSession::run`], and [`Error::is_read_only`] for a statement that is not a read: PostgreSQL has
    /// no cursor over `INSERT … RETURNING`.
    pub async fn stream<T: Row>(&mut self, mut query: All<T>) -> Result<RowStream<'_, T>> {
        check(&mut query)?;
        let dialect = self.connection.pooled.dialect();
        let statement = query.query().request().statement.clone();
        refuse_control(&statement, dialect)?;
        if !statement.is_read(dialect) {
            return Err(Error::new(ErrorDetail::WriteInStream).with_statement(statement.sql(dialect)));
        }
        let query = self.execute(query, true).await?;
        self.finish_statement(Ok(()))?;
        RowStream::open(self, query, false)
    }

    /// Sends a batch, and returns it with its answers. The first one may be sent again, elsewhere.
    async fn execute<B: Batch>(&mut self, mut batch: B, opens_cursor: bool) -> Result<B> {
        self.roll_back_dropped_savepoint().await?;
        let mut is_retry = false;
        let mut budget = self.router.acquire_budget();
        loop {
            let begin = self.start_statement()?;
            let continues = begin.is_none();
            let framing =
                TransactionFraming { begin, continues, opens_cursor, ..TransactionFraming::default() };
            let executed = self.connection.execute(batch, framing).await;
            batch = if framing.begin.is_none() {
                return self.finish_execution(executed);
            } else if executed.may_run_again() && !is_retry {
                is_retry = true;
                Box::pin(self.begin_retry(executed, &mut budget)).await?
            } else if self.can_begin_elsewhere(&executed) {
                Box::pin(self.begin_elsewhere(executed, &mut budget)).await?
            } else {
                return self.finish_execution(executed);
            };
            reset(&mut batch);
        }
    }

    /// Returns the batch of a successful execution. The transaction goes on once its rows are accepted.
    fn finish_execution<B>(&mut self, executed: Executed<B>) -> Result<B> {
        let Executed { batch, outcome, .. } = executed;
        match outcome.and_then(|()| batch.ok_or_else(|| Error::new(ErrorDetail::Lost))) {
            Ok(batch) => Ok(batch),
            Err(error) => self.finish_statement(Err(error)),
        }
    }

    /// Returns whether a transaction that failed in its first batch may begin again on another connection:
    /// its server is lost or not a primary. Nothing was committed, and the caller has seen nothing.
    pub(super) fn can_begin_elsewhere<B>(&self, executed: &Executed<B>) -> bool {
        let failed = executed.outcome.as_ref().err();
        let is_of_server = failed.is_some_and(|error| error.is_read_only() || error.is_connection_lost());
        is_of_server
            && executed.batch.is_some()
            && self.router.has_others()
            && self.reconnects < MAX_RECONNECTS
    }

    /// Begins again on the same connection, whose prepared statements are gone, or on another one.
    pub(super) async fn begin_retry<B: Batch>(
        &mut self,
        executed: Executed<B>,
        budget: &mut AcquireBudget,
    ) -> Result<B> {
        let cleaned = self.connection.pooled.clean().await;
        self.finish_statement(cleaned)?;
        // A late cancel request would hit the next statement.
        if self.connection.pooled.was_cancelled() {
            self.replace_connection(budget, budget.deadline()).await?;
        }
        self.state = State::NotBegun;
        executed.batch.ok_or_else(|| Error::new(ErrorDetail::Lost))
    }

    /// Acquires a connection to the current primary, after the failed server has been probed.
    pub(super) async fn begin_elsewhere<B: Batch>(
        &mut self,
        executed: Executed<B>,
        budget: &mut AcquireBudget,
    ) -> Result<B> {
        let Executed { batch: Some(batch), outcome: Err(error), .. } = executed else {
            return Err(Error::new(ErrorDetail::Lost));
        };
        self.state = State::Failed(error.to_string());
        self.reconnects += 1;
        let node = self.connection.pooled.node();
        self.router.report_failure(node, &error);
        let deadline = budget.deadline();
        self.router.wait_until_probed(node, deadline).await;
        self.replace_connection(budget, deadline).await?;
        self.state = State::NotBegun;
        Ok(batch)
    }

    /// Acquires another connection to the current primary. The session has failed if none is available.
    async fn replace_connection(
        &mut self,
        budget: &mut AcquireBudget,
        deadline: AcquireDeadline,
    ) -> Result<()> {
        self.connection.pooled.release();
        let acquired = self.router.write(self.caller, deadline).await;
        self.connection.pooled = self.finish_statement(acquired)?;
        budget.spend(deadline);
        Ok(())
    }

    /// Starts a bulk load. Until [`WriteSession::finish_load`] the transaction can only be rolled back.
    pub(super) async fn start_load(&mut self, table: &str, columns: &[&str]) -> Result<Load> {
        self.roll_back_dropped_savepoint().await?;
        self.begin_now().await?;
        let load = self.connection.pooled.load(table, columns).await;
        let load = self.finish_statement(load)?;
        self.has_written = true;
        // An unfinished load cannot be committed.
        self.state = State::Failed(format!("the bulk load of {table} was not finished"));
        Ok(load)
    }

    /// Returns the statements, round trips and rows of this session so far.
    pub fn counts(&self) -> Counts {
        self.connection.counts
    }

    /// Adds the server to the error of a lost connection.
    pub(super) fn locate(&self, error: Error) -> Error {
        self.connection.pooled.located(error)
    }

    pub(super) async fn finish_load(&mut self, load: Load, sql: &str, call: CallSite) -> Result<u64> {
        let finish = async |connection: &mut NodeConnection| load.finish(connection).await;
        let result = self.connection.load(sql, call, finish).await;
        Ok(self.finish_statement(result)?.rows)
    }

    /// Commits; one round trip, or none if nothing was run.
    ///
    /// # Errors
    /// [`Error::is_commit_unknown`] if the connection was lost during COMMIT. Otherwise a statement that
    /// failed earlier, a deferred constraint, or [`Error::is_transaction_ended`] if the transaction was
    /// already over.
    #[track_caller]
    pub fn commit(self) -> impl Future<Output = Result<CommitToken>> + Send {
        self.commit_called(CallSite::here())
    }

    pub(crate) async fn commit_called(mut self, call: CallSite) -> Result<CommitToken> {
        self.end_requested = true;
        if let State::Committed { token, .. } = self.state {
            return Ok(token);
        }
        self.commit_now(call).await
    }

    /// Sends COMMIT, unless nothing was run. If that fails, dropping the session rolls back.
    pub(super) async fn commit_now(&mut self, call: CallSite) -> Result<CommitToken> {
        self.roll_back_dropped_savepoint().await?;
        self.check_state()?;
        if matches!(self.state, State::NotBegun) {
            return Ok(CommitToken::nothing_written());
        }
        let node = self.connection.pooled.node();
        self.check_primary()?;
        let committed = self.connection.commit(self.router.waiting_writers(), call).await;
        match &committed {
            Ok(position) => self.router.record_commit(node, *position),
            Err(error) if error.is_commit_unknown() => self.router.report_failure(node, error),
            Err(_) => {}
        }
        committed.map(CommitToken::at)
    }

    /// Fails if another server became the primary.
    pub(super) fn check_primary(&self) -> Result<()> {
        let node = self.connection.pooled.node();
        if self.router.is_primary(node) {
            return Ok(());
        }
        Err(Error::new(ErrorDetail::Superseded { node: self.router.name(node).to_owned() }))
    }

    /// Returns whether the caller was told that its transaction is committed although its last batch failed.
    pub(crate) fn has_refused_after_commit(&self) -> bool {
        matches!(self.state, State::Committed { refused: true, .. })
    }

    /// Rolls back now. Dropping the session does the same in the background.
    ///
    /// # Errors
    /// If the connection was lost, in which case the server rolls back. [`Error::is_transaction_ended`] if
    /// the transaction was already over, so that parts of it may be committed. After [`run_last`](Self::run_last),
    /// [`Error::is_committed`] or [`Error::is_commit_unknown`].
    pub async fn roll_back(mut self) -> Result<()> {
        self.roll_back_now().await
    }

    pub(crate) async fn roll_back_now(&mut self) -> Result<()> {
        self.end_requested = true;
        if matches!(self.state, State::Committed { .. } | State::CommitUnknown) {
            return self.check_state();
        }
        let connection = &mut self.connection.pooled;
        match &self.state {
            _ if connection.is_released() => Ok(()),
            State::Open => connection.roll_back().await,
            State::Ended => connection.clean().await.and(Err(Error::new(ErrorDetail::TransactionEnded))),
            _ => connection.clean().await,
        }
    }

    /// Begins the transaction if nothing was run yet, and starts a statement.
    pub(super) async fn begin_now(&mut self) -> Result<()> {
        if let Some(begin) = self.start_statement()? {
            self.begin(begin).await?;
            self.start_statement()?;
        }
        Ok(())
    }

    async fn begin(&mut self, begin: Begin) -> Result<()> {
        let framing = TransactionFraming { begin: Some(begin), ..TransactionFraming::default() };
        self.connection.counts.round_trips += 1;
        let begun =
            self.connection.pooled.execute(Vec::<tallybook_sql::query::Execute>::new(), framing).await;
        self.finish_statement(begun.map(drop))
    }

    /// Fails after a failed or abandoned statement.
    pub(super) fn check_state(&self) -> Result<()> {
        let earlier = match &self.state {
            State::NotBegun | State::Open => return Ok(()),
            State::Ended => return Err(Error::new(ErrorDetail::TransactionEnded)),
            State::Committed { .. } => return Err(Error::new(ErrorDetail::Committed)),
            State::CommitUnknown => return Err(Error::new(ErrorDetail::LastBatchUnknown)),
            State::Pending => "it was abandoned before its end".to_owned(),
            State::Failed(earlier) => earlier.clone(),
        };
        Err(Error::new(ErrorDetail::TransactionFailed { earlier }))
    }

    /// Returns the BEGIN to send with the next statement, if it is the first.
    pub(super) fn start_statement(&mut self) -> Result<Option<Begin>> {
        self.check_state()?;
        let before = std::mem::replace(&mut self.state, State::Pending);
        Ok(matches!(before, State::NotBegun).then_some(Begin::WriteAt(self.isolation)))
    }

    pub(super) fn finish_statement<T>(&mut self, result: Result<T>) -> Result<T> {
        self.state = match &result {
            Ok(_) => State::Open,
            Err(error) if error.is_transaction_ended() => State::Ended,
            Err(error) => State::Failed(error.to_string()),
        };
        result
    }
}

impl Drop for WriteSession {
    /// Warns about a forgotten commit. A session that failed, was abandoned or panics rolls back on purpose.
    fn drop(&mut self) {
        let may_be_forgotten = self.has_written && !self.end_requested && !self.is_in_closure;
        if may_be_forgotten && matches!(self.state, State::Open) && !thread::panicking() {
            tracing::warn!(
                target: "tallybook::session",
                at = %self.caller,
                "a write session was dropped without a commit, so what it wrote is rolled back; call commit, or \
                 roll_back if that is the intention",
            );
        }
    }
}

impl fmt::Debug for WriteSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteSession").field("counts", &self.connection.counts).finish_non_exhaustive()
    }
}

impl StreamOwner for WriteSession {
    fn connection(&mut self) -> &mut SessionConnection {
        &mut self.connection
    }

    fn fail(&mut self, error: &Error) {
        self.state = State::Failed(error.to_string());
    }
}

impl Sealed for WriteSession {}

impl Session for WriteSession {
    async fn fetch<B: ReadBatch>(&mut self, batch: B) -> Result<B::Output> {
        self.run(batch).await
    }

    async fn stream<T: Row>(&mut self, query: All<T>) -> Result<RowStream<'_, T>> {
        WriteSession::stream(self, query).await
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
