//! Whole transactions: all their statements are known, or follow from results without anything to wait for.
//!
//! On SQLite such a transaction is one hop to the connection's thread, and those that wait at the same time share BEGIN,
//! COMMIT, the pages they change and the flush.

mod carried;
mod transaction;

use std::future::Future;
use std::panic::{Location, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tallybook_sql::call_site::CallSite;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::grouped_transaction::{GroupedTransaction, TransactionEnd};
use tallybook_sql::query::{Batch, Queries, queries};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use self::carried::Carried;
use self::transaction::{Ended, Failure, Transaction, check_batch};
use crate::database::Database;
use crate::observe::{Outcome, Recorder};
use crate::routing::NodeConnection;
use crate::session::{CommitToken, Committed, InFlight};

impl Database {
    /// Runs a batch as a transaction of its own. One round trip, with BEGIN and COMMIT.
    ///
    /// On SQLite the transactions of callers that wait at the same time share their work; see
    /// [`write_batch_then`](Self::write_batch_then).
    ///
    /// ```
    /// # use tallybook::{Database, Result, Settings, execute, one, params};
    /// # #[tokio::main]
    /// # async fn main() -> Result<()> {
    /// # let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    /// db.write_batch(execute("CREATE TABLE notes (id integer PRIMARY KEY, title text)", params![])).await?;
    /// let insert = one::<(i64,)>("INSERT INTO notes (title) VALUES ($1) RETURNING id", params!["first"]);
    /// assert_eq!(db.write_batch(insert).await?.into_value(), (1,));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`WriteSession::run_last`](crate::WriteSession::run_last) in [`write`](Self::write).
    #[track_caller]
    pub fn write_batch<B: Batch>(
        &self,
        batch: B,
    ) -> impl Future<Output = Result<Committed<B::Output>>> + Send {
        let call = CallSite::here();
        async move {
            if self.dialect() == Dialect::Postgres {
                return self.write_last(batch, call).await;
            }
            let written = self.write_together(batch, |output| Ok::<_, Error>(((), output)), call).await?;
            Ok(written.map(|(output, ())| output))
        }
    }

    /// Runs a transaction of two batches, of which the second follows from the results of the first: `next` returns it,
    /// with a value to keep. Returns that value and the results of the second batch. An error of `next` rolls back.
    ///
    /// Two round trips on PostgreSQL. On SQLite the transaction is one hop to the connection's thread, where `next` runs
    /// too: it should only compute. Transactions of callers that wait at the same time run one after the other in one
    /// transaction, each in a savepoint, and share the pages that they change, COMMIT and the flush. One that fails is
    /// rolled back by itself. If all are undone by a statement that rolls back everything, they run again by themselves,
    /// so `next` may be called again; nobody has been answered by then.
    ///
    /// ```
    /// # use tallybook::{Database, Result, Settings, execute, one, params};
    /// # #[tokio::main]
    /// # async fn main() -> Result<()> {
    /// # let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    /// # db.write_batch(execute("CREATE TABLE notes (id integer PRIMARY KEY, title text)", params![])).await?;
    /// # db.write_batch(execute("CREATE TABLE tags (note integer REFERENCES notes, word text)", params![])).await?;
    /// let insert = one::<(i64,)>("INSERT INTO notes (title) VALUES ($1) RETURNING id", params!["first"]);
    /// let committed = db.write_batch_then(insert, |(id,)| -> Result<_> {
    ///     let tag = |word| execute("INSERT INTO tags (note, word) VALUES ($1, $2)", params![id, word]);
    ///     Ok((vec![tag("a"), tag("b")], id))
    /// });
    /// assert_eq!(committed.await?.into_value(), (1, vec![1, 1]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The error of `next`, and as [`WriteSession::run_last`](crate::WriteSession::run_last) in [`write`](Self::write).
    ///
    /// # Panics
    /// If `next` panics; the transaction is rolled back.
    #[track_caller]
    pub fn write_batch_then<A, B, T, E, F>(
        &self,
        first: A,
        next: F,
    ) -> impl Future<Output = Result<Committed<(T, B::Output)>, E>> + Send
    where
        A: Batch,
        B: Batch,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: Fn(A::Output) -> Result<(B, T), E> + Send + Sync + 'static,
    {
        let call = CallSite::here();
        async move {
            match self.dialect() {
                Dialect::Postgres => self.write_in_turn(first, next, call).await,
                Dialect::Sqlite => self.write_together(first, next, call).await,
            }
        }
    }

    async fn write_last<B: Batch>(&self, batch: B, call: CallSite) -> Result<Committed<B::Output>> {
        let mut session = self.begin_called(call.at()).await?;
        let output = session.run_last_called(batch, call).await?;
        Ok(Committed::new(output, session.commit_called(call).await?))
    }

    async fn write_in_turn<A, B, T, E, F>(
        &self,
        first: A,
        next: F,
        call: CallSite,
    ) -> Result<Committed<(T, B::Output)>, E>
    where
        A: Batch,
        B: Batch,
        E: From<Error>,
        F: Fn(A::Output) -> Result<(B, T), E>,
    {
        let mut session = self.begin_called(call.at()).await?.in_closure();
        let (second, kept) = match next(session.run(first).await?) {
            Ok(next) => next,
            Err(error) => {
                // The server rolls back by itself if this fails, and the error of `next` is the one that matters.
                let _ = session.roll_back().await;
                return Err(error);
            }
        };
        let output = session.run_last_called(second, call).await?;
        Ok(Committed::new((kept, output), session.commit_called(call).await?))
    }

    /// Runs a transaction on SQLite, together with those that wait at the same time.
    async fn write_together<A, B, T, E, F>(
        &self,
        mut first: A,
        next: F,
        call: CallSite,
    ) -> Result<Committed<(T, B::Output)>, E>
    where
        A: Batch,
        B: Batch,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: Fn(A::Output) -> Result<(B, T), E> + Send + Sync + 'static,
    {
        self.refuse_nested_write_at(call.at())?;
        check_batch(&mut first)?;
        let mut record = Record { recorder: self.recorder(call.at()), is_durable: false };
        let sent_at = Instant::now();
        let mut in_flight = InFlight(record.recorder.as_deref_mut());
        let is_timed = in_flight.0.is_some();
        // The span ends with the answers, which may come in another task.
        let _span = in_flight.sent(&mut queries(&mut first)).1;
        let (reply, answer) = oneshot::channel();
        let transaction = Transaction::new(first, next, is_timed, reply);
        let ended = self.answered(Box::new(transaction), answer, call.at()).await;
        let mut ended = match ended {
            Ok(ended) => ended,
            Err(error) => {
                in_flight.answered(&mut Queries::new(), Some(&error));
                return Err(error.into());
            }
        };
        in_flight.waited(ended.parts.began.map_or(Duration::ZERO, |began| began - sent_at));
        record_first(in_flight, &mut ended);
        record.second(&mut ended, call);
        finish(ended)
    }

    /// Returns a transaction that somebody ran: this caller, or another one who got a connection first.
    async fn answered<R: Send + 'static>(
        &self,
        transaction: Box<dyn GroupedTransaction>,
        mut answer: oneshot::Receiver<R>,
        caller: &'static Location<'static>,
    ) -> Result<R> {
        let router = self.router();
        let place = router.write_queue().join(transaction);
        let deadline = router.acquire_deadline();
        // Those before it may fill a group by themselves.
        while place.is_waiting() {
            let acquired = tokio::select! {
                biased;
                ended = &mut answer => return ended.map_err(|_| Error::new(ErrorDetail::Lost)),
                acquired = router.write(caller, deadline) => acquired,
            };
            match acquired {
                Ok(connection) => {
                    // Those who are about to join have their turn first.
                    yield_now().await;
                    self.lead(connection).await;
                }
                Err(error) if place.leave() => return Err(error),
                Err(_) => {}
            }
        }
        answer.await.map_err(|_| Error::new(ErrorDetail::Lost))
    }

    /// Runs the transactions of all who wait.
    async fn lead(&self, mut connection: NodeConnection) {
        let router = Arc::clone(self.router());
        let members = router.write_queue().take();
        if members.is_empty() {
            return;
        }
        let group = async move {
            let group = connection.execute_group(members, router.waiting_writers()).await;
            // The next writers begin before the callers are told, and while the rest is flushed. A connection that will be
            // closed stays in use until the flush, because SQLite deletes the log with the last connection.
            if group.flush.is_none() || !connection.has_session_state() {
                connection.release();
            }
            for (member, end) in group.ended {
                member.end(end);
            }
            let Some(flush) = group.flush else { return };
            for member in group.unflushed {
                let flushed = flush.clone().wait().await;
                member.end(flushed.map_or_else(TransactionEnd::Failed, |()| TransactionEnd::Committed));
            }
        };
        Carried::new(group).await;
    }
}

/// The recorder of a transaction, until it ends.
struct Record {
    recorder: Option<Box<dyn Recorder>>,
    /// True once it committed.
    is_durable: bool,
}

impl Record {
    /// Records what followed the first batch.
    fn second<A: Batch, B: Batch, T, E>(&mut self, ended: &mut Ended<A, B, T, E>, call: CallSite) {
        let failure = match &ended.parts.failure {
            Some(Failure::Second(error)) => Some(error),
            Some(_) => return,
            None => None,
        };
        if ended.parts.began.is_none() {
            return;
        }
        let mut ran: Duration = total(&mut queries(&mut ended.parts.first));
        if let Some(second) = &mut ended.parts.second {
            let mut sent = queries(second);
            if !sent.is_empty() {
                ran += total(&mut sent);
                let mut in_flight = InFlight(self.recorder.as_deref_mut());
                in_flight.sent(&mut sent);
                in_flight.answered(&mut sent, failure);
            }
        }
        let error = match &ended.end {
            TransactionEnd::Committed => None,
            TransactionEnd::Failed(error) => Some(error),
            TransactionEnd::RolledBack | TransactionEnd::Panicked(_) => return,
        };
        let mut in_flight = InFlight(self.recorder.as_deref_mut());
        in_flight.sent_text("COMMIT", call);
        let busy = ended.parts.began.map(|began| began.elapsed().saturating_sub(ran));
        in_flight.answered_text(Outcome { busy, rows: 0, error });
        self.is_durable = error.is_none();
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            recorder.closed(self.is_durable);
        }
    }
}

fn total(queries: &mut Queries<'_>) -> Duration {
    let timings = queries.iter_mut().filter_map(|query| query.request().timing);
    timings.map(|timing| timing.total()).sum()
}

fn record_first<A: Batch, B, T, E>(mut in_flight: InFlight<'_>, ended: &mut Ended<A, B, T, E>) {
    let error = match (&ended.parts.failure, &ended.end) {
        (Some(Failure::First(error)), _) => Some(error),
        // It could not begin.
        (None, TransactionEnd::Failed(error)) if ended.parts.began.is_none() => Some(error),
        _ => None,
    };
    in_flight.answered(&mut queries(&mut ended.parts.first), error);
}

/// Returns the results of a transaction, or why there are none.
fn finish<A, B: Batch, T, E: From<Error>>(ended: Ended<A, B, T, E>) -> Result<Committed<(T, B::Output)>, E> {
    let parts = ended.parts;
    match (ended.end, parts.failure) {
        (TransactionEnd::Panicked(panic), _) => resume_unwind(panic),
        (TransactionEnd::Failed(error), _) => Err(error.into()),
        (_, Some(Failure::First(error) | Failure::Second(error))) => Err(error.into()),
        (_, Some(Failure::Own(error))) => Err(error),
        (TransactionEnd::Committed, None) => {
            let lost = || Error::new(ErrorDetail::Lost).after_commit();
            let (Some(mut second), Some(kept)) = (parts.second, parts.kept) else {
                return Err(lost().into());
            };
            let output = second.finish().map_err(Error::after_commit)?;
            Ok(Committed::new((kept, output), CommitToken::at(None)))
        }
        (TransactionEnd::RolledBack, None) => Err(Error::new(ErrorDetail::Lost).into()),
    }
}
