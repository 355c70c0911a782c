//! Sending, counting and recording a batch, for both kinds of session.

use std::ops::AsyncFnOnce;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use tallybook_sql::call_site::CallSite;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::driver::{Executed, Loaded};
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::query::{Batch, Queries, Query, queries};
use tallybook_sql::replication::Position;
use tallybook_sql::statement::Statement;
use tallybook_sql::transaction::TransactionFraming;
use tracing::{Instrument, Span};

use crate::driver::Commit;
use crate::observe::{Outcome, Recorder};
use crate::routing::NodeConnection;
use crate::session::Counts;

/// Counts a batch that is about to be sent, and reports it. Returns the time, if times are wanted, and the span of the batch.
fn count_sent<B: Batch>(
    counts: &mut Counts,
    in_flight: &mut InFlight<'_>,
    batch: &mut B,
) -> (Option<Instant>, Span) {
    let mut sent = queries(batch);
    counts.round_trips += 1;
    counts.statements += sent.len() as u64;
    in_flight.sent(&mut sent)
}

/// A connection in use with the counters and the recorder of its session.
pub(super) struct SessionConnection {
    pub(super) pooled: NodeConnection,
    pub(super) counts: Counts,
    recorder: Option<Box<dyn Recorder>>,
    /// True if the session's work lasts: it committed, or it only reads.
    is_durable: bool,
}

impl SessionConnection {
    /// `is_durable` is true for read sessions.
    pub(super) fn new(
        connection: NodeConnection,
        recorder: Option<Box<dyn Recorder>>,
        is_durable: bool,
    ) -> Self {
        Self { pooled: connection, counts: Counts::default(), recorder, is_durable }
    }

    /// Sends a batch and receives its answers. A failed batch that comes back may be sent again.
    pub(super) async fn execute<B: Batch>(
        &mut self,
        mut batch: B,
        framing: TransactionFraming,
    ) -> Executed<B> {
        let mut in_flight = InFlight(self.recorder.as_deref_mut());
        let (since, span) = count_sent(&mut self.counts, &mut in_flight, &mut batch);
        let opens_cursor = framing.opens_cursor;
        let mut executed = self.pooled.execute_timed(batch, framing, since).instrument(span).await;
        if opens_cursor && executed.outcome.is_ok() {
            // The stream reports the end.
            in_flight.0 = None;
            return executed;
        }
        let mut answered = executed.batch.as_mut().map(queries).unwrap_or_default();
        in_flight.answered(&mut answered, executed.outcome.as_ref().err());
        if executed.outcome.is_ok() {
            self.counts.rows += answered.iter_mut().map(|query| query.request().rows).sum::<u64>();
        }
        drop(answered);
        executed
    }

    /// Sends the last batch of a write transaction, which commits, and receives its answers. Returns the commit's position
    /// too, or the failure to make it durable. `waiting` is the number of writers that wait for a connection.
    pub(super) async fn execute_last<B: Batch>(
        &mut self,
        mut batch: B,
        framing: TransactionFraming,
        waiting: &Arc<AtomicUsize>,
        call: CallSite,
    ) -> (Executed<B>, Result<Option<Position>>) {
        let mut in_flight = InFlight(self.recorder.as_deref_mut());
        let (since, span) = count_sent(&mut self.counts, &mut in_flight, &mut batch);
        let execution = self.pooled.execute_last(batch, framing, since, waiting);
        let (mut executed, commit) = execution.instrument(span).await;
        // The next writer may begin, so that one flush serves both; see `commit`.
        if commit.as_ref().is_some_and(Commit::is_pending) && !self.pooled.has_session_state() {
            self.pooled.release();
        }
        let mut answered = executed.batch.as_mut().map(queries).unwrap_or_default();
        let timings = answered.iter_mut().filter_map(|query| query.request().timing);
        let ran: Duration = timings.map(|timing| timing.total()).sum();
        let error = executed.outcome.as_ref().err();
        in_flight.answered(&mut answered, error.filter(|_| !executed.failed_at_end));
        if error.is_none() {
            self.counts.rows += answered.iter_mut().map(|query| query.request().rows).sum::<u64>();
        }
        drop(answered);
        drop(in_flight);
        let mut position = Ok(None);
        if commit.is_some() || executed.failed_at_end {
            let mut in_flight = InFlight(self.recorder.as_deref_mut());
            in_flight.sent_text("COMMIT", call);
            if let Some(commit) = commit {
                position = commit.wait().await;
            }
            let busy = since.map(|since| since.elapsed().saturating_sub(ran));
            let error = executed.outcome.as_ref().err().or(position.as_ref().err());
            in_flight.answered_text(Outcome { busy, rows: 0, error });
            self.is_durable = error.is_none();
        }
        (executed, position)
    }

    /// Records the end of a stream, of which the caller took `rows`.
    pub(super) fn end_stream(
        &mut self,
        query: &mut dyn Query,
        (rows, round_trips): (u64, u64),
        waited: Duration,
        error: Option<&Error>,
    ) {
        self.counts.rows += rows;
        self.counts.round_trips += round_trips;
        let request = query.request();
        request.rows = rows;
        if let Some(timing) = &mut request.timing {
            timing.fetch += waited;
        }
        InFlight(self.recorder.as_deref_mut()).answered(&mut Queries::from_iter([query]), error);
    }

    /// Runs a text that sets, releases or rolls back to a savepoint.
    pub(super) async fn control(&mut self, sql: &str) -> Result<()> {
        self.counts.round_trips += 1;
        self.pooled.script(sql).await
    }

    /// Commits; see [`WriteSession::commit`](super::WriteSession::commit).
    pub(super) async fn commit(
        &mut self,
        waiting: &Arc<AtomicUsize>,
        call: CallSite,
    ) -> Result<Option<Position>> {
        self.counts.round_trips += 1;
        let mut in_flight = InFlight(self.recorder.as_deref_mut());
        in_flight.sent_text("COMMIT", call);
        let result = match self.pooled.commit(waiting).await {
            Ok(commit) => {
                // The next writer may begin, so that one flush serves both. A connection that will be closed
                // stays in use until the flush, because SQLite deletes the log with the last connection.
                if commit.is_pending() && !self.pooled.has_session_state() {
                    self.pooled.release();
                }
                commit.wait().await
            }
            Err(error) => Err(error),
        };
        in_flight.answered_text(Outcome { busy: None, rows: 0, error: result.as_ref().err() });
        self.is_durable = result.is_ok();
        result
    }

    /// Runs `work`, a bulk load, and records it as the statement `sql`. Only the database's own time counts,
    /// not the time in which the caller produced rows.
    pub(super) async fn load(
        &mut self,
        sql: &str,
        call: CallSite,
        work: impl AsyncFnOnce(&mut NodeConnection) -> Result<Loaded>,
    ) -> Result<Loaded> {
        let mut in_flight = InFlight(self.recorder.as_deref_mut());
        in_flight.sent_text(sql, call);
        let result = work(&mut self.pooled).await;
        let (busy, rows) = result.as_ref().map_or((None, 0), |loaded| (Some(loaded.busy), loaded.rows));
        in_flight.answered_text(Outcome { busy, rows, error: result.as_ref().err() });
        let loaded = result?;
        self.counts.statements += loaded.statements;
        self.counts.round_trips += loaded.round_trips;
        self.counts.rows += loaded.rows;
        Ok(loaded)
    }
}

impl Drop for SessionConnection {
    fn drop(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            recorder.closed(self.is_durable);
        }
    }
}

/// Refuses a statement that would begin or end a transaction without the session's knowledge.
pub(crate) fn refuse_control(statement: &Statement, dialect: Dialect) -> Result<()> {
    match statement.transaction_control(dialect) {
        Some(control) => {
            Err(Error::new(ErrorDetail::TransactionControl(control)).with_statement(statement.sql(dialect)))
        }
        None => Ok(()),
    }
}

/// A request without an answer yet. Dropping it records that it was abandoned.
pub(crate) struct InFlight<'a>(pub(crate) Option<&'a mut (dyn Recorder + 'static)>);

impl InFlight<'_> {
    pub(crate) fn sent(&mut self, queries: &mut Queries<'_>) -> (Option<Instant>, Span) {
        match &mut self.0 {
            Some(recorder) => recorder.sent(queries),
            None => (None, Span::none()),
        }
    }

    pub(crate) fn answered(&mut self, queries: &mut Queries<'_>, error: Option<&Error>) {
        if let Some(recorder) = self.0.take() {
            recorder.answered(queries, error);
        }
    }

    pub(crate) fn waited(&mut self, waited: Duration) {
        if let Some(recorder) = &mut self.0 {
            recorder.waited(waited);
        }
    }

    pub(crate) fn sent_text(&mut self, sql: &str, call: CallSite) {
        if let Some(recorder) = &mut self.0 {
            recorder.sent_text(sql, call);
        }
    }

    pub(crate) fn answered_text(&mut self, outcome: Outcome<'_>) {
        if let Some(recorder) = self.0.take() {
            recorder.answered_text(outcome);
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if let Some(recorder) = self.0.take() {
            recorder.abandoned();
        }
    }
}
