//! One thing that was found.

use std::fmt;

use serde::Serialize;

use super::severity::Severity;
use crate::escaped::Escaped;

/// What was found, where, why it matters, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The check that found it.
    pub check: &'static str,
    /// The nodes: hosts and ports, or a file. None where it is about the settings.
    pub nodes: Vec<String>,
    /// What was found.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// What to do about it, in this order.
    pub next: Vec<Next>,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Next {
    /// A statement to run on the node.
    Sql(String),
    /// A command to run in a shell.
    Run(String),
    /// Something that is no command.
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

    /// Whether it is the same, at whatever nodes.
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
