//! What there is to see, each as a table and entry by entry.

mod finding;
mod node;
mod noted;
mod pool;
mod running;
mod statement;

pub(crate) use node::grid as nodes;
pub(crate) use pool::grid as pools;

pub(super) use statement::texts;

use super::{Grid, Order, Shown};

/// A table of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Panel {
    Statements,
    Running,
    Noted,
    Findings,
}

impl Panel {
    pub(crate) const ALL: [Self; 4] = [Self::Statements, Self::Running, Self::Noted, Self::Findings];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Statements => "Statements",
            Self::Running => "Running now",
            Self::Noted => "Slow and failed",
            Self::Findings => "Findings",
        }
    }

    /// What is said where there is none.
    pub(crate) fn nothing(self) -> &'static str {
        match self {
            Self::Statements => "no statement ran",
            Self::Running => "nothing is running",
            Self::Noted => "nothing was slow or failed",
            Self::Findings => "no N+1 loops or redundant reads were found",
        }
    }

    pub(crate) fn len(self, shown: &Shown) -> usize {
        let report = &shown.report;
        match self {
            Self::Statements => report.statements.len(),
            Self::Running => report.running.len(),
            Self::Noted => report.noted.len(),
            Self::Findings => report.findings.len(),
        }
    }

    pub(crate) fn grid(self, shown: &Shown, order: Order) -> Grid {
        match self {
            Self::Statements => statement::grid(shown, order),
            Self::Running => running::grid(shown),
            Self::Noted => noted::grid(shown),
            Self::Findings => finding::grid(shown),
        }
    }

    /// By what the entries are told apart from one report to the next, in the order of the table.
    pub(crate) fn keys(self, shown: &Shown, order: Order) -> Vec<String> {
        match self {
            Self::Statements => statement::keys(shown, order),
            Self::Running => running::keys(shown),
            Self::Noted => noted::keys(shown),
            Self::Findings => finding::keys(shown),
        }
    }

    /// All that is known of an entry.
    pub(crate) fn detail(self, shown: &Shown, order: Order, index: usize) -> Option<String> {
        match self {
            Self::Statements => statement::detail(shown, order, index),
            Self::Running => running::detail(shown, index),
            Self::Noted => noted::detail(shown, index),
            Self::Findings => finding::detail(shown, index),
        }
    }
}
