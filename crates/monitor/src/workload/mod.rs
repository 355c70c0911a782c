//! The workload: statements with their frequencies and a few real parameter sets, for index advice.

mod parameter;
mod samples;
mod statement;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tallybook_core::seconds;

use super::monitor::Monitor;
use super::statement_registry::Snapshot;

pub(super) use samples::StatementSamples;
pub use statement::WorkloadStatement;

/// The statements that a program ran, with how often they ran and with which parameters.
///
/// It contains row values. A [`Report`](crate::Report) does not, and neither does the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Workload {
    /// Time of this record, UTC.
    pub at: DateTime<Utc>,
    /// Duration for which the statements were watched. Serializes as seconds.
    #[serde(with = "seconds")]
    pub watched: Duration,
    /// Database URL without the password.
    pub database: String,
    /// Name of the dialect: `sqlite` or `postgresql`.
    pub dialect: String,
    /// Statements that were counted and then evicted, whose texts are unknown.
    pub evicted_statements: u64,
    /// Statements by total time, highest first.
    pub statements: Vec<WorkloadStatement>,
}

impl Workload {
    /// Creates a workload of statements from another source than the monitor.
    pub fn new(
        database: impl Into<String>,
        dialect: impl Into<String>,
        watched: Duration,
        statements: Vec<WorkloadStatement>,
    ) -> Self {
        Self {
            at: Utc::now(),
            watched,
            database: database.into(),
            dialect: dialect.into(),
            evicted_statements: 0,
            statements,
        }
    }
}

impl Monitor {
    /// Returns the workload of a database, which has row values in it.
    pub fn workload(&self, database: String) -> Workload {
        let Snapshot { statements, evicted, .. } = self.inner.statement_registry.snapshot();
        let mut statements: Vec<_> =
            statements.iter().filter_map(|statement| WorkloadStatement::of(statement)).collect();
        statements.sort_by_key(|statement| std::cmp::Reverse(statement.total));
        let watched = self.inner.opened_at.0.elapsed();
        let dialect = self.inner.server.dialect.to_string();
        Workload { evicted_statements: evicted, ..Workload::new(database, dialect, watched, statements) }
    }
}
