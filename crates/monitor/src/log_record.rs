//! Log lines about statements, target `tallybook::query`.

use std::sync::Arc;
use std::time::Duration;

use tallybook_core::settings::{LogSettings, LoggedParameters};
use tallybook_sql::call_site::CallSite;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Error;
use tallybook_sql::query::Request;

use super::failure;
use super::parameters::ParameterFormatter;
use super::statement_stats::{CompletedRun, StatementStats};

/// A completed statement.
pub(super) struct LogRecord<'a> {
    /// Number of the session.
    pub(super) session: u64,
    pub(super) number: u64,
    pub(super) statement: &'a Arc<StatementStats>,
    pub(super) call: CallSite,
    /// `None` for plain SQL text, and for a request lost with its connection.
    pub(super) request: Option<&'a Request>,
    pub(super) completion: Completion<'a>,
}

pub(super) enum Completion<'a> {
    Succeeded(CompletedRun),
    Failed { elapsed: Duration, error: &'a Error },
    Abandoned { elapsed: Duration },
}

/// Decides whether the statement is kept for reports beyond the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    Normal,
    Slow,
    Failed,
}

/// Logs a run with its timings. `tracing` needs level and message at compile time, hence a macro.
macro_rules! timed {
    ($level:ident, $record:ident, $run:ident, $sql:expr, $log:ident, $message:literal) => {
        tracing::$level!(
            target: "tallybook::query",
            ms = ms($run.timing.total()),
            wait_ms = ms($run.waited),
            execute_ms = ms($run.timing.execute),
            fetch_ms = ms($run.timing.fetch),
            decode_ms = ms($run.timing.decode),
            rows = $run.rows,
            bytes = $run.bytes,
            at = %$record.call.at(),
            fingerprint = $record.statement.fingerprint.code(),
            sql = $sql,
            session = $record.session,
            number = $record.number,
            params = $record.params($log),
            $message
        )
    };
}

impl LogRecord<'_> {
    /// Returns the duration without the wait for a connection.
    pub(super) fn elapsed(&self) -> Duration {
        match &self.completion {
            Completion::Succeeded(run) => run.timing.total(),
            Completion::Failed { elapsed, .. } | Completion::Abandoned { elapsed } => *elapsed,
        }
    }

    pub(super) fn event_kind(&self, log: &LogSettings) -> EventKind {
        match &self.completion {
            Completion::Failed { error, .. } if !failure::is_expected(error) => EventKind::Failed,
            _ if self.elapsed() >= log.slow_threshold => EventKind::Slow,
            _ => EventKind::Normal,
        }
    }

    pub(super) fn write(&self, event_kind: EventKind, dialect: Dialect, log: &LogSettings) {
        if event_kind == EventKind::Normal && !log.timing && !log.echo {
            return;
        }
        match &self.completion {
            Completion::Succeeded(run) if event_kind == EventKind::Slow => self.slow(run, log),
            Completion::Succeeded(run) if log.timing => self.timed(run, dialect, log),
            Completion::Succeeded(_) => self.echoed(dialect, log),
            Completion::Failed { elapsed, error } => self.failed(*elapsed, error, event_kind, log),
            Completion::Abandoned { elapsed } => self.abandoned(*elapsed),
        }
    }

    fn slow(&self, run: &CompletedRun, log: &LogSettings) {
        timed!(warn, self, run, &*self.statement.fingerprint.text, log, "slow statement");
    }

    fn timed(&self, run: &CompletedRun, dialect: Dialect, log: &LogSettings) {
        timed!(info, self, run, self.sql(dialect), log, "statement");
    }

    fn echoed(&self, dialect: Dialect, log: &LogSettings) {
        tracing::info!(
            target: "tallybook::query",
            at = %self.call.at(),
            sql = self.sql(dialect),
            session = self.session,
            number = self.number,
            params = self.params(log),
            "statement"
        );
    }

    fn failed(&self, elapsed: Duration, error: &Error, event_kind: EventKind, log: &LogSettings) {
        let kind = failure::of(error).kind;
        let (at, fingerprint) = (self.call.at(), self.statement.fingerprint.code());
        let Self { session, number, .. } = *self;
        let (ms, params) = (ms(elapsed), self.params(log));
        let sql = &*self.statement.fingerprint.text;
        let error = match log.parameters {
            LoggedParameters::Full => error.to_string(),
            _ => error.without_values(),
        };
        if event_kind == EventKind::Normal {
            tracing::info!(
                target: "tallybook::query",
                ms, code = kind, %at, fingerprint, sql, error, session, number, params, "statement failed"
            );
        } else {
            tracing::warn!(
                target: "tallybook::query",
                ms, code = kind, %at, fingerprint, sql, error, session, number, params, "statement failed"
            );
        }
    }

    fn abandoned(&self, elapsed: Duration) {
        tracing::info!(
            target: "tallybook::query",
            ms = ms(elapsed),
            at = %self.call.at(),
            fingerprint = self.statement.fingerprint.code(),
            sql = &*self.statement.fingerprint.text,
            session = self.session,
            number = self.number,
            "statement abandoned: its future was dropped"
        );
    }

    /// Returns the text as sent, or the fingerprint's text without a request.
    fn sql(&self, dialect: Dialect) -> &str {
        self.request.map_or(&self.statement.fingerprint.text, |request| request.statement.sql(dialect))
    }

    /// Returns the parameters as `DB_LOG_PARAMETERS` lets them be shown.
    pub(super) fn params(&self, log: &LogSettings) -> Option<String> {
        ParameterFormatter::new(log.parameters).format(self.request?.values())
    }
}

/// Converts to milliseconds with microsecond precision.
pub(super) fn ms(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}
