//! One statement of a workload.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tallybook_core::seconds;
use tallybook_sql::value::Value;

use super::parameter;
use crate::detect::SourceLocation;
use crate::statement_stats::StatementStats;

/// A statement, its frequency and parameter sets of real calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkloadStatement {
    /// Fingerprint, 16 hexadecimal digits, as in reports and in the log.
    pub fingerprint: String,
    /// SQL text as it was sent, literals included.
    pub sql: String,
    /// Successful calls.
    pub calls: u64,
    /// Rows returned or affected by all calls.
    pub rows: u64,
    /// Total time of all calls. Serializes as seconds.
    #[serde(with = "seconds")]
    pub total: Duration,
    /// The line of code that last ran it.
    pub at: Option<SourceLocation>,
    /// True if texts with other literals were seen, which count as this statement. Looked at only when parameters are
    /// kept.
    #[serde(default)]
    pub literals_vary: bool,
    /// Parameter sets of real calls, at most four. Empty if their values were too long to keep.
    #[serde(with = "parameter::sets")]
    pub samples: Vec<Vec<Value>>,
}

impl WorkloadStatement {
    /// Creates a statement from another source than the monitor.
    pub fn new(fingerprint: impl Into<String>, sql: impl Into<String>, calls: u64, total: Duration) -> Self {
        Self {
            fingerprint: fingerprint.into(),
            sql: sql.into(),
            calls,
            rows: 0,
            total,
            at: None,
            literals_vary: false,
            samples: Vec::new(),
        }
    }

    /// Returns the statement; `None` if its text was too long to keep, or no call has succeeded.
    pub(super) fn of(statement: &StatementStats) -> Option<Self> {
        let (sql, samples) = statement.samples.snapshot()?;
        let stats = statement.snapshot();
        let times = stats.times.times();
        Some(Self {
            fingerprint: statement.fingerprint.code(),
            sql,
            calls: times.count,
            rows: stats.rows.sum,
            total: times.total,
            at: statement.last_call().map(SourceLocation::from),
            literals_vary: statement.samples.has_other_text(),
            samples,
        })
    }
}
