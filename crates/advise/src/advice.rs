//! Advice: the indexes to add and to drop, and why others are not advised.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tallybook::SourceLocation;

use crate::index_key::IndexKey;

/// Index advice for a workload. It contains no parameter, but constants of the program's SQL where an index has them as its
/// condition. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Advice {
    /// Time of the workload, UTC.
    pub at: DateTime<Utc>,
    /// Database URL without the password.
    pub database: String,
    /// Name of the dialect: `sqlite` or `postgresql`.
    pub dialect: String,
    /// Duration for which the workload was watched, in seconds.
    pub watched: f64,
    /// Unit of work: instructions of SQLite's virtual machine, or PostgreSQL's plan cost.
    pub unit: WorkUnit,
    /// Indexes to add, the most useful first.
    pub add: Vec<AdvisedIndex>,
    /// Indexes to drop.
    pub drop: Vec<IndexToDrop>,
    /// Indexes and statements that were examined without advice, with the reason.
    pub refusals: Vec<Refusal>,
    /// Tables whose statistics mislead the planner.
    pub stale: Vec<StaleStatistics>,
    /// Limits of this advice: samples, what was not examined.
    pub notes: Vec<String>,
    /// All statements that were examined.
    pub statements: Vec<ExaminedStatement>,
}

/// The unit in which work is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WorkUnit {
    /// Instructions of SQLite's virtual machine, counted while a statement runs.
    VmSteps,
    /// Cost of the plan, as PostgreSQL's planner estimates it with the parameters of a call.
    PlanCost,
}

/// An index to add.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AdvisedIndex {
    /// Proposed name.
    pub name: String,
    /// Its table.
    pub table: String,
    /// Its columns.
    pub keys: Vec<IndexKey>,
    /// Condition of a partial index.
    pub filter: Option<String>,
    /// Statement that creates it without locking out writers where the dialect can.
    pub sql: String,
    /// Its size in bytes, extrapolated to all rows of the table.
    pub bytes: u64,
    /// Statements that it helps, the most time saved first.
    pub gains: Vec<StatementGain>,
    /// Rows written to the table while the workload was watched.
    pub writes: u64,
    /// Time to insert a row without it, in seconds.
    pub insert_without: f64,
    /// Time to insert a row with it, in seconds.
    pub insert_with: f64,
    /// Time that it would have saved while the workload was watched, as measured on the scratch copy.
    pub saved: f64,
    /// Time that maintaining it would have cost.
    pub cost: f64,
}

/// The gain of a statement by an index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StatementGain {
    /// Fingerprint, 16 hexadecimal digits.
    pub fingerprint: String,
    /// SQL text with literals replaced by `?`.
    pub statement: String,
    /// The line of code that last ran it.
    pub at: Option<SourceLocation>,
    /// Calls while the workload was watched.
    pub calls: u64,
    /// Real parameter sets with which it was measured; 0 if it was planned for unknown parameters.
    pub parameter_sets: usize,
    /// Work of a call without the index.
    pub before: f64,
    /// Work of a call with it.
    pub after: f64,
    /// Median time without it, in seconds; 0 if it was not run.
    pub time_before: f64,
    /// Median time with it, in seconds; 0 if it was not run.
    pub time_after: f64,
    /// Rows passed by scans of whole tables, before and after; on SQLite.
    pub full_scan_steps: Option<[f64; 2]>,
    /// Sorts, before and after; on SQLite.
    pub sorts: Option<[f64; 2]>,
    /// Rows of indexes that the statement built for itself, before and after; on SQLite.
    pub automatic_index_rows: Option<[f64; 2]>,
}

impl StatementGain {
    /// Returns the part of the work that is saved, from 0 to 1.
    pub fn saving(&self) -> f64 {
        saving(self.before, self.after)
    }
}

/// Returns the part of some work that is saved.
pub(crate) fn saving(before: f64, after: f64) -> f64 {
    if before > 0.0 { (before - after) / before } else { 0.0 }
}

/// An index to drop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IndexToDrop {
    /// Its name.
    pub name: String,
    /// Its table.
    pub table: String,
    /// Why it is useless.
    pub reason: DropReason,
    /// The index that replaces it.
    pub other: Option<String>,
    /// How long it was watched without being used, and where.
    pub watched: Option<String>,
    /// Statement that drops it.
    pub sql: String,
    /// Statement that creates it again.
    pub recreate: String,
    /// Its columns; empty if they are expressions.
    pub keys: Vec<IndexKey>,
    /// Condition of a partial index.
    pub filter: Option<String>,
}

/// Why an index is useless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DropReason {
    /// No statement of the workload uses it, and no node of PostgreSQL has read it.
    Unused,
    /// Another index has the same columns.
    Duplicate,
    /// Another index begins with its columns.
    Prefix,
}

/// An index or a statement that was examined, and why there is no advice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Refusal {
    /// Fingerprint of the statement.
    pub fingerprint: String,
    /// Its SQL text with literals replaced by `?`.
    pub statement: String,
    /// The index that was considered: `trades (status)`.
    pub index: Option<String>,
    /// Why it is not advised.
    pub reason: String,
}

/// A table whose statistics are old.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StaleStatistics {
    /// The table.
    pub table: String,
    /// How old they are.
    pub reason: String,
    /// Statement that renews them.
    pub sql: String,
}

/// A statement that was examined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExaminedStatement {
    /// Fingerprint, 16 hexadecimal digits.
    pub fingerprint: String,
    /// SQL text with literals replaced by `?`.
    pub statement: String,
    /// Calls while the workload was watched.
    pub calls: u64,
    /// Total time of these calls, in seconds.
    pub total: f64,
    /// Work of a call with the indexes that exist.
    pub work: f64,
}

impl Advice {
    /// Returns whether there is something to do.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.drop.is_empty() && self.stale.is_empty()
    }
}
