//! What ran in a scope.

use std::fmt;
use std::panic::Location;

use super::detect::Rules;
use super::detect::Trace;
use super::detect::{CallSite, Finding};
use crate::escaped::Escaped;

/// What ran in a scope, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Account {
    /// Statements run.
    pub statements: u64,
    /// Times that something was sent and its answer awaited.
    pub round_trips: u64,
    /// What ran, by line of code and statement, in the order of the first run.
    pub ran: Vec<Ran>,
    /// N+1 loops and redundant reads.
    pub findings: Vec<Finding>,
    /// Where the sessions were opened that are still open.
    pub open_sessions: Vec<CallSite>,
}

/// A statement that ran, so many times, from one line of code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ran {
    /// How often.
    pub runs: u64,
    /// In short: `SELECT trades`.
    pub summary: String,
    /// From where.
    pub at: CallSite,
}

impl Account {
    pub(super) fn of(trace: &Trace, rules: &Rules, open: Vec<&'static Location<'static>>) -> Self {
        let ran = trace.ran().map(|ran| Ran {
            runs: ran.runs,
            summary: ran.statement.fingerprint.summary.to_string(),
            at: ran.call.at().into(),
        });
        Self {
            statements: trace.statements(),
            round_trips: trace.round_trips(),
            ran: ran.collect(),
            findings: trace.findings(rules).into_iter().map(Finding::from).collect(),
            open_sessions: open.into_iter().map(CallSite::from).collect(),
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} statements in {} round trips:", self.statements, self.round_trips)?;
        for Ran { runs, summary, at } in &self.ran {
            write!(f, "\n  {runs:>5} x {} at {at}", Escaped(summary))?;
        }
        Ok(())
    }
}
