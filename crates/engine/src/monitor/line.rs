//! The lines of the log about statements. Target `tallybook::query`.

use std::sync::Arc;
use std::time::Duration;

use super::failure;
use super::parameters::Shown;
use super::statement::{Run, Statement};
use crate::call::Call;
use crate::error::Error;
use crate::query::Request;
use crate::settings::{Engine, LogSettings, Parameters};

/// A statement that ended.
pub(super) struct Line<'a> {
    /// The session's number, and the statement's number in it.
    pub(super) session: u64,
    pub(super) number: u64,
    pub(super) statement: &'a Arc<Statement>,
    pub(super) call: Call,
    /// None for what is no query, and where it was lost with its connection.
    pub(super) request: Option<&'a Request>,
    pub(super) ended: Ended<'a>,
}

pub(super) enum Ended<'a> {
    Ran(Run),
    Failed { took: Duration, error: &'a Error },
    Abandoned { took: Duration },
}

/// Whether a line is worth remembering beyond the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Usual,
    Slow,
    Failed,
}

/// A line with the times of a run. Level and message must be known when the program is compiled.
macro_rules! timed {
    ($level:ident, $line:ident, $run:ident, $sql:expr, $log:ident, $message:literal) => {
        tracing::$level!(
            target: "tallybook::query",
            ms = ms($run.timing.total()),
            wait_ms = ms($run.waited),
            execute_ms = ms($run.timing.execute),
            fetch_ms = ms($run.timing.fetch),
            decode_ms = ms($run.timing.decode),
            rows = $run.rows,
            bytes = $run.bytes,
            at = %$line.call.at(),
            fingerprint = $line.statement.fingerprint.code(),
            sql = $sql,
            session = $line.session,
            number = $line.number,
            params = $line.params($log),
            $message
        )
    };
}

impl Line<'_> {
    /// How long it took, without the wait for a connection.
    pub(super) fn took(&self) -> Duration {
        match &self.ended {
            Ended::Ran(run) => run.timing.total(),
            Ended::Failed { took, .. } | Ended::Abandoned { took } => *took,
        }
    }

    pub(super) fn weight(&self, log: &LogSettings) -> Weight {
        match &self.ended {
            Ended::Failed { error, .. } if !failure::is_expected(error) => Weight::Failed,
            _ if self.took() >= log.slow_threshold => Weight::Slow,
            _ => Weight::Usual,
        }
    }

    pub(super) fn write(&self, weight: Weight, engine: Engine, log: &LogSettings) {
        if weight == Weight::Usual && !log.timing && !log.echo {
            return;
        }
        match &self.ended {
            Ended::Ran(run) if weight == Weight::Slow => self.slow(run, log),
            Ended::Ran(run) if log.timing => self.timed(run, engine, log),
            Ended::Ran(_) => self.echoed(engine, log),
            Ended::Failed { took, error } => self.failed(*took, error, weight, log),
            Ended::Abandoned { took } => self.abandoned(*took),
        }
    }

    fn slow(&self, run: &Run, log: &LogSettings) {
        timed!(warn, self, run, &*self.statement.fingerprint.text, log, "slow statement");
    }

    fn timed(&self, run: &Run, engine: Engine, log: &LogSettings) {
        timed!(info, self, run, self.sql(engine), log, "statement");
    }

    fn echoed(&self, engine: Engine, log: &LogSettings) {
        tracing::info!(
            target: "tallybook::query",
            at = %self.call.at(),
            sql = self.sql(engine),
            session = self.session,
            number = self.number,
            params = self.params(log),
            "statement"
        );
    }

    fn failed(&self, took: Duration, error: &Error, weight: Weight, log: &LogSettings) {
        let kind = failure::of(error).kind;
        let (at, fingerprint) = (self.call.at(), self.statement.fingerprint.code());
        let Self { session, number, .. } = *self;
        let (ms, params) = (ms(took), self.params(log));
        let sql = &*self.statement.fingerprint.text;
        let error = match log.parameters {
            Parameters::Full => error.to_string(),
            _ => error.without_values(),
        };
        if weight == Weight::Usual {
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

    fn abandoned(&self, took: Duration) {
        tracing::info!(
            target: "tallybook::query",
            ms = ms(took),
            at = %self.call.at(),
            fingerprint = self.statement.fingerprint.code(),
            sql = &*self.statement.fingerprint.text,
            session = self.session,
            number = self.number,
            "statement abandoned: its future was dropped"
        );
    }

    /// Its own text, or without a query the one it is known by.
    fn sql(&self, engine: Engine) -> &str {
        self.request.map_or(&self.statement.fingerprint.text, |request| request.statement.sql(engine))
    }

    /// Its parameters, as far as they may be seen.
    pub(super) fn params(&self, log: &LogSettings) -> Option<String> {
        Shown::new(log.parameters).all(self.request?.values())
    }
}

/// Milliseconds, to the microsecond.
pub(super) fn ms(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}
