//! What both kinds of session do with a batch: send it, count it, tell the journal.

use std::ops::AsyncFnOnce;
use std::time::Instant;

use tracing::{Instrument, Span};

use crate::call::Call;
use crate::driver::{Bounds, Flown, Loaded, Position};
use crate::error::{Error, Kind, Result};
use crate::observe::{Journal, Outcome};
use crate::query::{Batch, Queries, queries};
use crate::routing::Lease;
use crate::session::Counts;
use crate::settings::Engine;
use crate::statement::Statement;

/// A connection on loan with its counts and the journal of its session.
pub(super) struct Lane {
    pub(super) connection: Lease,
    pub(super) counts: Counts,
    journal: Option<Box<dyn Journal>>,
    /// Whether what the session did lasts.
    kept: bool,
}

impl Lane {
    /// `kept` is true for a session that only reads.
    pub(super) fn new(connection: Lease, journal: Option<Box<dyn Journal>>, kept: bool) -> Self {
        Self { connection, counts: Counts::default(), journal, kept }
    }

    /// Sends a batch and takes its answers. One that comes back with a failure may be sent again.
    pub(super) async fn fly<B: Batch>(&mut self, mut batch: B, bounds: Bounds) -> Flown<B> {
        self.counts.round_trips += 1;
        let mut sent = queries(&mut batch);
        self.counts.statements += sent.len() as u64;
        let mut underway = Underway(self.journal.as_deref_mut());
        let (since, span) = underway.sent(&mut sent);
        drop(sent);
        let mut flown = self.connection.fly_timed(batch, bounds, since).instrument(span).await;
        let mut answered = flown.batch.as_mut().map(queries).unwrap_or_default();
        underway.answered(&mut answered, flown.outcome.as_ref().err());
        if flown.outcome.is_ok() {
            self.counts.rows += answered.iter_mut().map(|query| query.request().rows).sum::<u64>();
        }
        drop(answered);
        flown
    }

    /// Makes the transaction last; see [`WriteSession::commit`](super::WriteSession::commit).
    pub(super) async fn commit(&mut self, call: Call) -> Result<Option<Position>> {
        self.counts.round_trips += 1;
        let mut underway = Underway(self.journal.as_deref_mut());
        underway.sent_text("COMMIT", call);
        let result = match self.connection.commit().await {
            Ok(commit) => {
                // The next writer begins, and both may be flushed together. One that is to be replaced stays open until
                // then: SQLite deletes the log with the last connection.
                if commit.is_pending() && !self.connection.has_session_state() {
                    self.connection.release();
                }
                commit.wait().await
            }
            Err(error) => Err(error),
        };
        underway.answered_text(Outcome { busy: None, rows: 0, error: result.as_ref().err() });
        self.kept = result.is_ok();
        result
    }

    /// Waits for `work`, a bulk load's, and tells the journal of it as of the statement `sql`. Of its own time
    /// counts only what the database took of it: the rest is that of whoever made the rows.
    pub(super) async fn load(
        &mut self,
        sql: &str,
        call: Call,
        work: impl AsyncFnOnce(&mut Lease) -> Result<Loaded>,
    ) -> Result<Loaded> {
        let mut underway = Underway(self.journal.as_deref_mut());
        underway.sent_text(sql, call);
        let result = work(&mut self.connection).await;
        let (busy, rows) = result.as_ref().map_or((None, 0), |loaded| (Some(loaded.busy), loaded.rows));
        underway.answered_text(Outcome { busy, rows, error: result.as_ref().err() });
        let loaded = result?;
        self.counts.statements += loaded.statements;
        self.counts.round_trips += loaded.round_trips;
        self.counts.rows += loaded.rows;
        Ok(loaded)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(journal) = self.journal.take() {
            journal.closed(self.kept);
        }
    }
}

/// Refuses to send what would begin or end a transaction behind its session's back.
pub(super) fn refuse_control(statement: &Statement, engine: Engine) -> Result<()> {
    match statement.transaction_control(engine) {
        Some(control) => {
            Err(Error::new(Kind::TransactionControl(control)).with_statement(statement.sql(engine)))
        }
        None => Ok(()),
    }
}

/// Something that was sent and not answered yet; dropped before it was, it is abandoned.
struct Underway<'a>(Option<&'a mut (dyn Journal + 'static)>);

impl Underway<'_> {
    fn sent(&mut self, queries: &mut Queries<'_>) -> (Option<Instant>, Span) {
        match &mut self.0 {
            Some(journal) => journal.sent(queries),
            None => (None, Span::none()),
        }
    }

    fn answered(&mut self, queries: &mut Queries<'_>, error: Option<&Error>) {
        if let Some(journal) = self.0.take() {
            journal.answered(queries, error);
        }
    }

    fn sent_text(&mut self, sql: &str, call: Call) {
        if let Some(journal) = &mut self.0 {
            journal.sent_text(sql, call);
        }
    }

    fn answered_text(&mut self, outcome: Outcome<'_>) {
        if let Some(journal) = self.0.take() {
            journal.answered_text(outcome);
        }
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        if let Some(journal) = self.0.take() {
            journal.abandoned();
        }
    }
}
