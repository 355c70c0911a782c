//! Pipelines: several statements in one round trip, with one Sync.
//!
//! All messages are written at once; the answers come in the same order. A statement that is not prepared yet is prepared
//! in the same round trip. After an error the server skips the rest, up to the Sync.

mod exchange;
mod request;
mod statement;
mod step;
mod times;

use std::time::Instant;

use tallybook_sql::dialect::Dialect;
use tallybook_sql::driver::Executed;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::query::{Batch, Query, queries, take_row};
use tallybook_sql::replication::{Position, end_of_log};
use tallybook_sql::transaction::TransactionFraming;
use tallybook_sql::value::SqlType;

use super::Connection;
use super::client::TransactionStatus;
use super::error::convert;
use super::pooler::Pooler;
use super::row::values;
use super::types::Columns;
pub(super) use exchange::check_and_sample;
use exchange::{Exchange, commits_writes};
use request::Encoder;
pub(super) use request::oid_of;
pub(super) use statement::StatementCache;
use statement::{Prepared, types_of};
pub(super) use step::Step;
use step::{DecodedLater, Form, StepKind};
pub(super) use times::Sampler;

/// The result of a pipeline, besides the rows.
#[derive(Debug)]
pub(super) struct PipelineResult {
    pub(super) outcome: Result<()>,
    pub(super) replayed: Option<u64>,
    /// LSN and timeline after the commit.
    pub(super) position: Option<(u64, u32)>,
    /// True if all statements succeeded, and the error is that of the end of the transaction.
    pub(super) has_failed_at_end: bool,
}

impl From<Error> for PipelineResult {
    fn from(error: Error) -> Self {
        Self { outcome: Err(error), replayed: None, position: None, has_failed_at_end: false }
    }
}

impl Connection {
    /// Executes a batch as one pipeline: one round trip, with the transaction control of `framing`.
    ///
    /// `since` is when the batch was started; `None` measures no times. After a stale plan the prepared statements are
    /// dropped, so that executing the batch again succeeds. A transaction that `framing` would have ended is rolled back
    /// after an error.
    pub async fn execute<B: Batch>(
        &mut self,
        mut batch: B,
        framing: TransactionFraming,
        since: Option<Instant>,
    ) -> Executed<B> {
        let result = self.run(&mut queries(&mut batch), framing, since).await;
        self.moved |= result.outcome.as_ref().is_err_and(Error::is_connect);
        Executed {
            batch: Some(batch),
            outcome: result.outcome,
            replayed: result.replayed,
            position: result.position.map(|at| self.position(at)),
            failed_at_end: result.has_failed_at_end,
        }
    }

    pub(super) fn position(&self, (lsn, timeline): (u64, u32)) -> Position {
        Position { system: self.identity.system, timeline, lsn: end_of_log(lsn) }
    }

    /// Runs queries, and ends the transaction if the framing says so.
    pub(super) async fn run(
        &mut self,
        queries: &mut [&mut dyn Query],
        framing: TransactionFraming,
        since: Option<Instant>,
    ) -> PipelineResult {
        if let Err(error) = self.check_decimals(queries).await {
            return error.into();
        }
        let framing = self.guarded(framing);
        let is_timed_batch = since.is_some() && queries.len() > 1;
        let is_measured = is_timed_batch && self.sampler.measures(queries, &mut self.statements);
        if let Err(error) = self.send(queries, framing, is_measured) {
            return error.into();
        }
        let mut exchange = Exchange::new(&mut self.steps, &self.types, queries, since);
        let received = self.client.answers(|message| exchange.take(message)).await;
        let has_dropped_statements = exchange.has_dropped_statements();
        let mut result = exchange.finish(received, framing, self.pooler.as_ref());
        if result.outcome.is_ok() && self.steps.iter().any(|step| step.later.is_some()) {
            // Boxed: it is rare, and would enlarge the future of every pipeline.
            let decoded = Box::pin(self.decode_later(queries)).await;
            result.outcome = match commits_writes(framing) {
                true => decoded.map_err(Error::after_commit),
                false => decoded,
            };
        }
        if is_timed_batch && !is_measured && result.outcome.is_ok() {
            self.sampler.divide(queries, &self.steps);
        }
        self.keep_statements(queries);
        if is_measured && result.outcome.is_ok() {
            self.sampler.learn(queries, &mut self.statements);
        }
        let is_stale = result.outcome.as_ref().is_err_and(Error::is_stale_plan);
        if has_dropped_statements || is_stale {
            self.statements.forget();
            self.decimal_types.clear();
        }
        // A pooler that shares statements between its clients gives the same stale one under any name.
        self.prepares &= !is_stale || self.pooler.as_ref().is_none_or(Pooler::keeps_sessions);
        if framing.end.is_some() && result.outcome.as_ref().is_err_and(|error| error.code().is_some()) {
            self.roll_back_failed().await;
        }
        result
    }

    /// Returns the framing, with a read-only transaction around statements that would have none and run on a connection of
    /// the server that does not have the settings of this session.
    fn guarded(&self, framing: TransactionFraming) -> TransactionFraming {
        let has_transaction = framing.begin.is_some()
            || framing.continues
            || self.client.wire().status() != TransactionStatus::Idle;
        match has_transaction || self.pooler.as_ref().is_none_or(Pooler::keeps_sessions) {
            true => framing,
            false => framing.snapshot(),
        }
    }

    /// Writes the requests of a pipeline into the output. After an error nothing of them is left there.
    fn send(
        &mut self,
        queries: &mut [&mut dyn Query],
        framing: TransactionFraming,
        is_measured: bool,
    ) -> Result<()> {
        // Statements of an abandoned pipeline, of which nobody knows whether the server has them.
        for step in self.steps.drain(..) {
            if let Form::Preparing(name) = step.form {
                self.statements.close(name);
            }
        }
        let mut wire = self.client.wire();
        wire.begin().map_err(convert)?;
        let before = (wire.output().len(), wire.owed());
        let mut encoder = Encoder {
            wire: &mut wire,
            statements: &mut self.statements,
            steps: &mut self.steps,
            prepares: self.prepares,
            flushes: is_measured,
            pooler: self.pooler.as_ref(),
        };
        let encoded = encoder.pipeline(queries, framing);
        match encoded {
            Ok(()) => self.statements.closed(),
            Err(_) => {
                wire.take_back(before.0, before.1);
                self.steps.clear();
            }
        }
        encoded
    }

    /// Keeps the statements that a pipeline has prepared.
    fn keep_statements(&mut self, queries: &mut [&mut dyn Query]) {
        for step in self.steps.drain(..) {
            if matches!(step.kind, StepKind::Cursor(_)) {
                self.cursor = step.columns;
                continue;
            }
            let Form::Preparing(name) = step.form else { continue };
            if !step.is_parsed {
                continue;
            }
            match (step.kind, step.columns) {
                // One that failed may be no statement for its struct.
                (StepKind::Query(place), Some(columns)) if step.has_succeeded => {
                    let request = queries[place].request();
                    let parameters = types_of(request.values());
                    let sql = request.statement.sql(Dialect::Postgres);
                    self.statements.keep(sql.into(), Prepared::new(name, parameters, columns));
                }
                (StepKind::Control(_, sql), _) => {
                    let (parameters, columns) = (types_of(&[]), Columns::default());
                    self.statements.keep(sql.into(), Prepared::new(name, parameters, columns));
                }
                _ => self.statements.close(name),
            }
        }
    }

    /// Decodes the rows whose types were not known when they came.
    async fn decode_later(&mut self, queries: &mut [&mut dyn Query]) -> Result<()> {
        let described =
            self.steps.iter().filter_map(|step| step.later.as_ref()).flat_map(|later| &later.columns);
        let oids: Vec<_> = described.map(|column| column.type_oid).collect();
        self.types.look_up(&self.client, oids.into_iter()).await.map_err(convert)?;
        for step in &mut self.steps {
            let (StepKind::Query(place) | StepKind::Cursor(place)) = step.kind else { continue };
            let Some(later) = step.later.take() else { continue };
            let Some(columns) = self.types.columns(&later.columns) else { continue };
            let query = &mut *queries[place];
            decode(&later, &columns, query).map_err(|error| {
                let statement = &query.request().statement;
                error.with_statement(statement.sql(Dialect::Postgres)).at_position(place)
            })?;
            step.columns = Some(columns);
        }
        Ok(())
    }

    /// Ends a transaction that an error left open, although it should have ended.
    async fn roll_back_failed(&mut self) {
        let status = self.client.wire().status();
        if status != TransactionStatus::Idle {
            // Its own failure is that of the connection, which the next request meets too.
            let _ = self.client.simple("ROLLBACK").await;
        }
    }
}

fn decode(later: &DecodedLater, columns: &Columns, query: &mut dyn Query) -> Result<()> {
    check_and_sample(columns, query)?;
    for body in &later.rows {
        let row = values(body, columns).map_err(|problem| Error::decode("a row", SqlType::Bytes, problem))?;
        take_row(query, &row, body.len() as u64)?;
    }
    query.touched(later.affected);
    Ok(())
}

fn sql_of(query: &mut dyn Query) -> &str {
    query.request().statement.sql(Dialect::Postgres)
}
