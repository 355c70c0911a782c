//! The summary of a scope: counts, statements by call site, findings.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use tallybook_sql::escaped::Escaped;

use super::detect::History;
use super::detect::Rules;
use super::detect::{QueryFinding, SourceLocation};

/// The statements that ran in a scope, and the findings about them.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ScopeSummary {
    /// Statements sent, failed ones included.
    pub statements: u64,
    /// Round trips to the database; a batch is one.
    pub round_trips: u64,
    /// Statements by line of code, in order of the first run.
    pub ran: Vec<CallCount>,
    /// N+1 loops and redundant reads, most time lost first.
    pub findings: Vec<QueryFinding>,
    /// Call sites of the sessions that are still open.
    pub open_sessions: Vec<SourceLocation>,
}

/// The counts of a scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScopeCounts {
    /// Statements sent, failed ones included.
    pub statements: u64,
    /// Round trips to the database; a batch is one.
    pub round_trips: u64,
    /// Time between sending statements and their answers. Those that ran at the same time count each.
    pub database_time: Duration,
}

/// The runs of one statement from one line of code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallCount {
    /// Number of runs.
    pub runs: u64,
    /// Operation and table, for example `SELECT trades`.
    pub summary: String,
    /// The line of code that ran it.
    pub at: SourceLocation,
}

impl ScopeSummary {
    pub(super) fn of(history: &History, rules: &Rules, open: Vec<&'static Location<'static>>) -> Self {
        let ran = history.statement_counts().map(|ran| CallCount {
            runs: ran.runs,
            summary: ran.statement.fingerprint.summary.to_string(),
            at: ran.call.at().into(),
        });
        Self {
            statements: history.statements(),
            round_trips: history.round_trips(),
            ran: ran.collect(),
            findings: history.findings(rules).into_iter().map(QueryFinding::from).collect(),
            open_sessions: open.into_iter().map(SourceLocation::from).collect(),
        }
    }
}

impl fmt::Display for ScopeSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} statements in {} round trips:", self.statements, self.round_trips)?;
        for CallCount { runs, summary, at } in &self.ran {
            write!(f, "\n  {runs:>5} x {} at {at}", Escaped(summary))?;
        }
        Ok(())
    }
}
