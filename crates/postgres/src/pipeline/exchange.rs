//! The answers to a pipeline.

use std::time::Instant;

use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::query::{Query, take_row};
use tallybook_sql::replication::timeline_of;
use tallybook_sql::stopwatch::Stopwatch;
use tallybook_sql::transaction::{Begin, End, TransactionFraming};

use super::PipelineResult;
use super::request::highest_parameter;
use super::step::{Control, DecodedLater, Form, Step, StepKind};
use crate::client::{
    ClientError, ColumnDescription, Flow, Message, Parts, ServerError, row_description, tag,
};
use crate::error::{convert, server_error, sql_state};
use crate::pooler::Pooler;
use crate::row::{check_columns, values};
use crate::types::{PgColumn, Types};

/// Commands that drop prepared statements.
const DROP_STATEMENTS: [&str; 2] = ["DISCARD", "DEALLOCATE"];

/// Takes the answers to a pipeline, and passes the rows to the queries.
pub(super) struct Exchange<'a, 'q> {
    steps: &'a mut Vec<Step>,
    types: &'a Types,
    queries: &'a mut [&'q mut dyn Query],
    /// The step whose answer comes next.
    current: usize,
    watch: Stopwatch,
    /// End of the previous query, or the start of the batch.
    last: Option<Instant>,
    outcome: Result<()>,
    /// True between the BindComplete of the current step and its end: only then it has rows.
    is_bound: bool,
    is_first_row: bool,
    /// Failure to decode a row of the current query. The server goes on meanwhile.
    decoding: Result<()>,
    has_begin_failed: bool,
    /// True if the server reported that there was no transaction to end.
    had_no_transaction: bool,
    has_failed_at_end: bool,
    has_dropped_statements: bool,
    has_ended: bool,
    replayed: Option<u64>,
    position: Option<(u64, u32)>,
}

impl<'a, 'q> Exchange<'a, 'q> {
    pub(super) fn new(
        steps: &'a mut Vec<Step>,
        types: &'a Types,
        queries: &'a mut [&'q mut dyn Query],
        since: Option<Instant>,
    ) -> Self {
        Self {
            steps,
            types,
            queries,
            current: 0,
            watch: Stopwatch::new(since.is_some()),
            last: since,
            outcome: Ok(()),
            is_bound: false,
            is_first_row: true,
            decoding: Ok(()),
            has_begin_failed: false,
            had_no_transaction: false,
            has_failed_at_end: false,
            has_dropped_statements: false,
            has_ended: false,
            replayed: None,
            position: None,
        }
    }

    /// Takes the next message.
    pub(super) fn take(&mut self, message: Message<'_>) -> Result<Flow, String> {
        let Some(kind) = self.steps.get(self.current).map(|step| step.kind) else {
            return Err("the server sends an answer that nobody asked for".to_owned());
        };
        match (message.tag, kind) {
            (tag::ROW, StepKind::Query(place)) if self.is_bound => self.take_row(place, message.body)?,
            (tag::ROW, StepKind::Control(control, _)) if self.is_bound => {
                self.take_control_row(control, message.body)?;
            }
            (tag::BIND_COMPLETE, _) => self.is_bound = true,
            (tag::CLOSE_COMPLETE, _) => {}
            // Only behind the COMMIT or ROLLBACK itself: a function may give any notice.
            (tag::NOTICE, StepKind::Control(Control::End, _)) if self.is_bound => {
                self.had_no_transaction |=
                    ServerError::parse(message.body).code() == sql_state::NO_ACTIVE_TRANSACTION;
            }
            (tag::NOTICE, _) => {}
            (tag::PARSE_COMPLETE, _) => self.steps[self.current].is_parsed = true,
            (tag::ROW_DESCRIPTION, StepKind::Query(place) | StepKind::Cursor(place)) => {
                self.take_columns(place, row_description(message.body)?);
            }
            (tag::NO_DATA, StepKind::Query(place) | StepKind::Cursor(place)) => {
                self.take_columns(place, Vec::new());
            }
            (tag::ERROR, _) => self.fail(&ServerError::parse(message.body)),
            (tag::READY, StepKind::Sync) => self.current += 1,
            (tag::COMMAND_COMPLETE | tag::EMPTY_QUERY, _) if self.is_bound => self.end_step(message),
            (other, _) => {
                return Err(format!(
                    "the server sends a message of type {} out of turn",
                    other.escape_ascii()
                ));
            }
        }
        Ok(Flow::Continue)
    }

    /// Takes the columns of the current query, and checks them against its struct.
    fn take_columns(&mut self, place: usize, described: Vec<ColumnDescription>) {
        let step = &mut self.steps[self.current];
        match self.types.columns(&described) {
            Some(columns) => {
                self.decoding = check_and_sample(&columns, self.queries[place]);
                step.columns = Some(columns);
            }
            None => step.later = Some(DecodedLater::boxed(described)),
        }
        if matches!(step.kind, StepKind::Cursor(_)) {
            self.end_query(place, 0);
        }
    }

    fn take_row(&mut self, place: usize, body: &[u8]) -> Result<(), String> {
        let is_first = std::mem::take(&mut self.is_first_row);
        if is_first {
            self.begin_rows(place);
        }
        let step = &mut self.steps[self.current];
        if let Some(later) = &mut step.later {
            later.rows.push(body.to_vec());
            return Ok(());
        }
        let columns = step.columns.as_ref().ok_or("the server sends a row before its columns")?;
        let row = values(body, columns)?;
        let query = &mut *self.queries[place];
        if self.decoding.is_ok() && query.columns().is_some() {
            self.decoding = self.watch.decode(|| take_row(query, &row, body.len() as u64));
        }
        Ok(())
    }

    /// Prepares for the rows of a statement whose columns are known from before.
    fn begin_rows(&mut self, place: usize) {
        let (earlier, rest) = self.steps.split_at_mut(self.current);
        let step = &mut rest[0];
        if let Form::PreparedBy(source) = step.form {
            let source = &earlier[source];
            step.columns.clone_from(&source.columns);
            step.later = source.later.as_ref().map(|later| DecodedLater::boxed(later.columns.clone()));
            if let Some(columns) = &step.columns {
                self.decoding = check_and_sample(columns, self.queries[place]);
            }
        } else if step.form == Form::Prepared
            && let Some(columns) = &step.columns
        {
            // Its columns were checked before it was sent.
            sample(columns, self.queries[place]);
        }
    }

    fn take_control_row(&mut self, control: Control, body: &[u8]) -> Result<(), String> {
        let mut parts = Parts(body);
        let lsn = |bytes: &[u8]| Some(u64::from_be_bytes(bytes.try_into().ok()?));
        match control {
            Control::Replayed => {
                parts.row_of(1)?;
                self.replayed = parts.value()?.and_then(lsn);
            }
            Control::Position => {
                parts.row_of(2)?;
                let lsn = parts.value()?.and_then(lsn);
                let file = parts.value()?.and_then(|file| std::str::from_utf8(file).ok());
                self.position = lsn.zip(file.and_then(timeline_of));
            }
            Control::Begin | Control::End => {}
        }
        Ok(())
    }

    /// Ends the current step, which succeeded.
    fn end_step(&mut self, message: Message<'_>) {
        self.is_bound = false;
        self.steps[self.current].has_succeeded = true;
        let kind = self.steps[self.current].kind;
        match kind {
            StepKind::Query(place) => {
                let is_command = message.tag == tag::COMMAND_COMPLETE;
                let affected = if is_command { message.rows_affected() } else { 0 };
                self.has_dropped_statements |=
                    is_command && DROP_STATEMENTS.iter().any(|command| message.is_command(command));
                self.end_query(place, affected);
            }
            StepKind::Control(Control::End, command) => {
                self.has_ended = message.is_command(command);
                // The server answers ROLLBACK to the COMMIT of a transaction that has failed.
                if !self.has_ended {
                    self.has_failed_at_end = self.outcome.is_ok();
                    self.first(Err(Error::new(ErrorDetail::TransactionEnded)));
                }
                self.current += 1;
            }
            _ => self.current += 1,
        }
    }

    fn end_query(&mut self, place: usize, affected: u64) {
        let timing = self.watch.stop(self.last);
        self.last = timing.map(|(_, now)| now).or(self.last);
        self.watch = Stopwatch::new(self.last.is_some());
        self.is_first_row = true;
        self.is_bound = false;
        let step = &mut self.steps[self.current];
        let decoding = std::mem::replace(&mut self.decoding, Ok(()));
        let query = &mut *self.queries[place];
        query.request().timing = timing.map(|(timing, _)| timing);
        match &mut step.later {
            Some(later) => later.affected = affected,
            None if decoding.is_ok() => query.touched(affected),
            None => {}
        }
        let sql = query.request().statement.clone();
        self.first(
            decoding.map_err(|error| error.with_statement(sql.sql(Dialect::Postgres)).at_position(place)),
        );
        self.current += 1;
    }

    /// Ends the current step, which failed, and skips those that the server skips.
    fn fail(&mut self, error: &ServerError) {
        let error = match self.steps[self.current].kind {
            // Committed, and the position is not known.
            StepKind::Control(Control::Position, _) => Ok(()),
            StepKind::Query(place) | StepKind::Cursor(place) => Err(self.query_error(place, error)),
            kind => {
                self.has_begin_failed |=
                    matches!(kind, StepKind::Control(Control::Begin, _) | StepKind::Pooler);
                self.has_failed_at_end |=
                    matches!(kind, StepKind::Control(Control::End, _)) && self.outcome.is_ok();
                Err(server_error(error))
            }
        };
        self.first(error);
        self.is_bound = false;
        self.decoding = Ok(());
        while self.steps.get(self.current).is_some_and(|step| step.kind != StepKind::Sync) {
            self.current += 1;
        }
    }

    fn query_error(&mut self, place: usize, error: &ServerError) -> Error {
        let timing = self.watch.stop(self.last);
        let request = self.queries[place].request();
        request.timing = timing.map(|(timing, _)| timing);
        let sql = request.statement.sql(Dialect::Postgres);
        with_count(server_error(error), sql, request.values().len()).with_statement(sql).at_position(place)
    }

    /// Keeps the first failure. Later ones only say that the transaction is aborted.
    fn first(&mut self, outcome: Result<()>) {
        if self.outcome.is_ok() {
            self.outcome = outcome;
        }
    }

    /// Returns whether a statement dropped prepared statements.
    pub(super) fn has_dropped_statements(&self) -> bool {
        self.has_dropped_statements
    }

    /// Returns the result, after the last message or a failure of the connection.
    pub(super) fn finish(
        mut self,
        received: Result<(), ClientError>,
        framing: TransactionFraming,
        pooler: Option<&Pooler>,
    ) -> PipelineResult {
        let failed_kind = self.steps.get(self.current).map(|step| step.kind);
        if let Err(failure) = received
            && !self.has_ended
        {
            let may_be_committed = self.outcome.is_ok() && commits_writes(framing);
            let mut error = convert(failure);
            if may_be_committed && matches!(error.detail(), ErrorDetail::Lost) {
                error = Error::new(ErrorDetail::CommitUnknown).with_source(error);
            }
            if let Some(StepKind::Query(place) | StepKind::Cursor(place)) = failed_kind
                && let Some(query) = self.queries.get_mut(place)
            {
                let statement = query.request().statement.clone();
                error = error.with_statement(statement.sql(Dialect::Postgres)).at_position(place);
            }
            self.first(Err(error));
        }
        if self.has_begin_failed {
            self.outcome = self.outcome.map_err(|error| match pooler {
                Some(pooler) => pooler.explain(error),
                None => error,
            });
            if framing.begin.is_some_and(Begin::is_write) {
                self.outcome = self.outcome.map_err(Error::into_refused_write);
            }
        }
        if self.had_no_transaction {
            self.first(Err(Error::new(ErrorDetail::TransactionEnded)));
        } else if self.has_ended && commits_writes(framing) {
            // A row that does not decode: its transaction is committed all the same.
            self.outcome = self.outcome.map_err(Error::after_commit);
        }
        PipelineResult {
            outcome: self.outcome,
            replayed: self.replayed,
            position: self.position,
            has_failed_at_end: self.has_failed_at_end,
        }
    }
}

/// Replaces PostgreSQL's errors about missing parameters, of which there are several, by one that counts them.
fn with_count(error: Error, sql: &str, given: usize) -> Error {
    let is_about_parameters = error.code().is_some_and(|code| {
        [sql_state::UNDEFINED_PARAMETER, sql_state::INDETERMINATE_DATATYPE, sql_state::PROTOCOL_VIOLATION]
            .contains(&code)
    });
    let used = highest_parameter(sql);
    match given < used && is_about_parameters {
        true => Error::parameter_count(given, used).with_source(error),
        false => error,
    }
}

/// Returns whether a pipeline commits a transaction that may have written.
pub(super) fn commits_writes(framing: TransactionFraming) -> bool {
    framing.end == Some(End::Commit) && !framing.read_only && framing.begin.is_none_or(Begin::is_write)
}

/// Checks the columns of a result, and finds those to sample.
pub(crate) fn check_and_sample(found: &[PgColumn], query: &mut dyn Query) -> Result<()> {
    let Some(expected) = query.columns() else { return Ok(()) };
    check_columns(query.request().statement.sql(Dialect::Postgres), found, expected)?;
    sample(found, query);
    Ok(())
}

/// Finds the columns whose values are sampled.
fn sample(found: &[PgColumn], query: &mut dyn Query) {
    let Some(expected) = query.columns() else { return };
    if let Some(sample) = &mut query.request().key_sample {
        sample.know(expected, |index| found[index].name.as_str());
    }
}
