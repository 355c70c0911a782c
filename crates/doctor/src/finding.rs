//! A finding.

use std::fmt;

use serde::Serialize;
use tallybook_sql::escaped::Escaped;

use super::severity::Severity;

/// A problem: what and where it is, why it matters, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Severity.
    pub severity: Severity,
    /// Name of the check that found it.
    pub check: &'static str,
    /// Affected nodes, as `host:port` or file. Empty if it concerns the settings.
    pub nodes: Vec<String>,
    /// The problem, in one sentence.
    pub what: String,
    /// Its consequence.
    pub why: String,
    /// Steps to take, in this order.
    pub next: Vec<Next>,
}

/// A step to take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Next {
    /// An SQL statement to run on the node.
    Sql(String),
    /// A shell command.
    Run(String),
    /// Advice in words.
    Do(String),
}

impl Finding {
    pub(super) fn new(
        severity: Severity,
        check: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self { severity, check, nodes: Vec::new(), what: what.into(), why: why.into(), next: Vec::new() }
    }

    pub(super) fn note(check: &'static str, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Severity::Note, check, what, why)
    }

    pub(super) fn warning(check: &'static str, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Severity::Warning, check, what, why)
    }

    pub(super) fn critical(check: &'static str, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Severity::Critical, check, what, why)
    }

    pub(super) fn at(mut self, node: impl Into<String>) -> Self {
        let node = node.into();
        if !self.nodes.contains(&node) {
            self.nodes.push(node);
        }
        self
    }

    /// Returns whether both describe the same problem, on any nodes.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let parts = |finding: &Self| (finding.severity, finding.check);
        parts(self) == parts(other) && self.what == other.what && self.next == other.next
    }

    pub(super) fn sql(mut self, statement: impl Into<String>) -> Self {
        self.next.push(Next::Sql(statement.into()));
        self
    }

    pub(super) fn run(mut self, command: impl Into<String>) -> Self {
        self.next.push(Next::Run(command.into()));
        self
    }

    pub(super) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.next.push(Next::Do(advice.into()));
        self
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Next::Sql(text) | Next::Run(text) | Next::Do(text) => write!(f, "{}", Escaped(text)),
        }
    }
}
