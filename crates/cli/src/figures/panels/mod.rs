//! The panels: each is a table, with a detail view for each entry.

mod finding;
mod node;
mod pool;
mod running;
mod slow_or_failed;
mod statement;

pub(crate) use node::grid as nodes;
pub(crate) use pool::grid as pools;

pub(super) use statement::texts;

use super::{Grid, Order, RatedReport};

/// A table of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Panel {
    Statements,
    Running,
    SlowOrFailed,
    Findings,
}

impl Panel {
    pub(crate) const ALL: [Self; 4] = [Self::Statements, Self::Running, Self::SlowOrFailed, Self::Findings];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Statements => "Statements",
            Self::Running => "Running now",
            Self::SlowOrFailed => "Slow and failed",
            Self::Findings => "Findings",
        }
    }

    /// Returns the text of an empty panel.
    pub(crate) fn nothing(self) -> &'static str {
        match self {
            Self::Statements => "no statement ran",
            Self::Running => "nothing is running",
            Self::SlowOrFailed => "nothing was slow or failed",
            Self::Findings => "no N+1 loops or redundant reads were found",
        }
    }

    pub(crate) fn len(self, rated: &RatedReport) -> usize {
        let report = &rated.report;
        match self {
            Self::Statements => report.statements.len(),
            Self::Running => report.running.len(),
            Self::SlowOrFailed => report.events.len(),
            Self::Findings => report.findings.len(),
        }
    }

    pub(crate) fn grid(self, rated: &RatedReport, order: Order) -> Grid {
        match self {
            Self::Statements => statement::grid(rated, order),
            Self::Running => running::grid(rated),
            Self::SlowOrFailed => slow_or_failed::grid(rated),
            Self::Findings => finding::grid(rated),
        }
    }

    /// Returns keys that identify the entries across reports, in the order of the table.
    pub(crate) fn keys(self, rated: &RatedReport, order: Order) -> Vec<String> {
        match self {
            Self::Statements => statement::keys(rated, order),
            Self::Running => running::keys(rated),
            Self::SlowOrFailed => slow_or_failed::keys(rated),
            Self::Findings => finding::keys(rated),
        }
    }

    /// Returns the detail view of an entry.
    pub(crate) fn detail(self, rated: &RatedReport, order: Order, index: usize) -> Option<String> {
        match self {
            Self::Statements => statement::detail(rated, order, index),
            Self::Running => running::detail(rated, index),
            Self::SlowOrFailed => slow_or_failed::detail(rated, index),
            Self::Findings => finding::detail(rated, index),
        }
    }
}
