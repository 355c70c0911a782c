//! The last batch of a write transaction, with which COMMIT travels.

use std::convert::Infallible;
use std::future::Future;

use tallybook_sql::call_site::CallSite;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::driver::Executed;
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::query::{Batch, reset};
use tallybook_sql::replication::Position;
use tallybook_sql::transaction::{End, TransactionFraming};

use super::write::State;
use super::{CommitToken, WriteSession};

impl WriteSession {
    /// Runs the last batch of the transaction and commits. COMMIT travels with the batch, and so does BEGIN if nothing was
    /// run before: a transaction of one batch takes one round trip instead of two.
    ///
    /// Afterwards the session only has [`commit`](Self::commit) left, which returns the token without a round trip. In
    /// [`Database::write`](crate::Database::write) return `Ok`: an `Err` after this call is replaced by one that says that
    /// the transaction is committed, because it can't be rolled back any more.
    ///
    /// ```
    /// # use tallybook::{Database, Result, Settings, execute, one, params};
    /// # #[tokio::main]
    /// # async fn main() -> Result<()> {
    /// # let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    /// # db.write(async |session| {
    /// #     session.run(execute("CREATE TABLE notes (id integer PRIMARY KEY, title text)", params![])).await
    /// # }).await?;
    /// let committed = db.write(async |session| -> Result<i64> {
    ///     let insert = one::<(i64,)>("INSERT INTO notes (title) VALUES ($1) RETURNING id", params!["first"]);
    ///     Ok(session.run_last(insert).await?.0)
    /// });
    /// assert_eq!(committed.await?.into_value(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run) and [`commit`](Self::commit). Also:
    ///
    /// - [`Error::is_committed`] if a result is refused after the commit: a row that does not fit its struct, or too few or
    ///   too many rows for [`one`](crate::one) and [`optional`](crate::optional). On SQLite results are checked before the
    ///   commit, so that it is rolled back instead; PostgreSQL has committed by the time its rows arrive.
    /// - [`Error::is_commit_unknown`] if the connection was lost at any time during the batch, and for every later use of the
    ///   session if the future was dropped.
    /// - [`Error::is_transaction_control`] inside a savepoint that is not released. Nothing is sent, and the transaction goes
    ///   on.
    #[track_caller]
    pub fn run_last<B: Batch>(&mut self, batch: B) -> impl Future<Output = Result<B::Output>> + Send {
        self.run_last_called(batch, CallSite::here())
    }

    pub(crate) async fn run_last_called<B: Batch>(
        &mut self,
        mut batch: B,
        call: CallSite,
    ) -> Result<B::Output> {
        self.check_state()?;
        let is_empty = self.inspect(&mut batch)?;
        self.roll_back_dropped_savepoint().await?;
        if self.savepoints.open > 0 {
            return Err(Error::new(ErrorDetail::LastInSavepoint));
        }
        self.end_requested = true;
        if is_empty {
            let output = batch.finish()?;
            return match self.commit_now(call).await {
                Ok(token) => {
                    self.state = State::Committed { token, refused: false };
                    Ok(output)
                }
                Err(error) => Err(self.failed_last(error)),
            };
        }
        if let Err(superseded) = self.check_primary() {
            return self.finish_statement(Err(superseded));
        }
        let (mut batch, position) = self.execute_last(batch, call).await?;
        let output = batch.finish();
        self.state = State::Committed { token: CommitToken::at(position), refused: output.is_err() };
        output.map_err(Error::after_commit)
    }

    /// Sends the batch, again or elsewhere if nothing can have been committed, and returns it with the commit's position.
    async fn execute_last<B: Batch>(
        &mut self,
        mut batch: B,
        call: CallSite,
    ) -> Result<(B, Option<Position>)> {
        let mut is_retry = false;
        let mut budget = self.router.acquire_budget();
        loop {
            let begin = self.start_statement()?;
            self.state = State::CommitUnknown;
            let framing = TransactionFraming {
                begin,
                continues: begin.is_none(),
                end: Some(End::Commit),
                ..TransactionFraming::default()
            };
            let waiting = self.router.waiting_writers();
            let (mut executed, position) = self.connection.execute_last(batch, framing, waiting, call).await;
            executed.outcome = executed.outcome.map_err(|error| self.unknown_if_lost(error));
            batch = if begin.is_some() && executed.may_run_again() && !is_retry {
                is_retry = true;
                Box::pin(self.begin_retry(executed, &mut budget)).await?
            } else if begin.is_some() && self.can_begin_elsewhere(&executed) {
                Box::pin(self.begin_elsewhere(executed, &mut budget)).await?
            } else {
                return self.finish_last(executed, position);
            };
            reset(&mut batch);
        }
    }

    /// COMMIT travels with the batch, so a server that is lost may have committed. SQLite has not: its thread panicked.
    fn unknown_if_lost(&self, error: Error) -> Error {
        if error.is_connection_lost() && self.connection.pooled.dialect() == Dialect::Postgres {
            return self.locate(Error::new(ErrorDetail::CommitUnknown).with_source(error));
        }
        error
    }

    fn finish_last<B>(
        &mut self,
        executed: Executed<B>,
        position: Result<Option<Position>>,
    ) -> Result<(B, Option<Position>)> {
        let node = self.connection.pooled.node();
        let Executed { batch, outcome, position: at, .. } = executed;
        match outcome.and(position) {
            Err(error) if error.is_committed() => {
                // PostgreSQL had committed by the time a row did not decode.
                self.router.record_commit(node, at);
                self.state = State::Committed { token: CommitToken::at(at), refused: true };
                Err(error)
            }
            Ok(position) => {
                self.router.record_commit(node, position);
                batch.map(|batch| (batch, position)).ok_or_else(|| Error::new(ErrorDetail::LastBatchUnknown))
            }
            Err(error) => Err(self.failed_last(error)),
        }
    }

    /// Notes why the transaction was not seen to commit.
    fn failed_last(&mut self, error: Error) -> Error {
        if error.is_commit_unknown() {
            self.router.report_failure(self.connection.pooled.node(), &error);
            self.state = State::CommitUnknown;
            return error;
        }
        let Err(error) = self.finish_statement(Err::<Infallible, _>(error));
        error
    }
}
