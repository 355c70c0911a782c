//! The order in which statements are shown.

use std::cmp::Reverse;

use clap::ValueEnum;
use tallybook::StatementReport;

use super::RatedReport;

/// The sort key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// By total time
    #[default]
    Time,
    /// By calls a second
    Rate,
    /// By p99, slowest first
    P99,
    /// By number of errors
    Errors,
}

impl Order {
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Time => Self::Rate,
            Self::Rate => Self::P99,
            Self::P99 => Self::Errors,
            Self::Errors => Self::Time,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Time => "total time",
            Self::Rate => "calls/s",
            Self::P99 => "p99",
            Self::Errors => "errors",
        }
    }

    /// Sorts the statements in this order; equal ones by total time.
    pub(super) fn sort(self, rated: &RatedReport) -> Vec<&StatementReport> {
        let mut statements: Vec<_> = rated.report.statements.iter().collect();
        statements.sort_by_key(|statement| Reverse(statement.times.total));
        match self {
            Self::Time => {}
            Self::Rate => {
                statements.sort_by(|left, right| rated.rate(right).total_cmp(&rated.rate(left)));
            }
            Self::P99 => statements.sort_by_key(|statement| Reverse(statement.times.p99)),
            Self::Errors => statements.sort_by_key(|statement| Reverse(statement.errors())),
        }
        statements
    }
}
