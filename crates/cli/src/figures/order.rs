//! In which order statements are shown.

use std::cmp::Reverse;

use clap::ValueEnum;
use tallybook_engine::StatementReport;

use super::Shown;

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// What took most time in all
    #[default]
    Time,
    /// What runs most often
    Rate,
    /// What is slowest, by its p99
    P99,
    /// What fails most often
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

    /// The statements in this order; equal ones by total time.
    pub(super) fn sort(self, shown: &Shown) -> Vec<&StatementReport> {
        let mut statements: Vec<_> = shown.report.statements.iter().collect();
        statements.sort_by_key(|statement| Reverse(statement.times.total));
        match self {
            Self::Time => {}
            Self::Rate => {
                statements.sort_by(|left, right| shown.rate(right).total_cmp(&shown.rate(left)));
            }
            Self::P99 => statements.sort_by_key(|statement| Reverse(statement.times.p99)),
            Self::Errors => statements.sort_by_key(|statement| Reverse(statement.errors())),
        }
        statements
    }
}
