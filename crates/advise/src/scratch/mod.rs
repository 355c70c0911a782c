//! Scratch copies, on which indexes are tried: nothing of them is in the given database.

mod postgres;
mod sqlite;

use std::time::{Duration, Instant};

use tallybook::Database;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Result;
use tallybook_sql::value::Value;

use crate::catalog::Table;
use crate::statement::Parsed;

use postgres::PostgresScratch;
use sqlite::SqliteScratch;

/// Rows inserted to measure what a write costs.
pub(crate) const INSERTED_ROWS: u64 = 500;
/// Rounds of a measurement, with and without an index in turn.
pub(crate) const ROUNDS: usize = 5;
/// Rounds of a statement that takes less than `SHORT`: a busy machine can disturb five such moments in a row.
pub(crate) const ROUNDS_IF_SHORT: usize = 25;
const SHORT: Duration = Duration::from_millis(1);

/// A scratch copy of tables. Dropping it removes it.
pub(crate) enum Scratch {
    Sqlite(SqliteScratch),
    Postgres(Box<PostgresScratch>),
}

/// A copied table.
#[derive(Clone, Debug)]
pub(crate) struct CopiedTable {
    pub(crate) name: String,
    pub(crate) rows: u64,
    /// False for a sample.
    pub(crate) is_whole: bool,
}

/// The work of a statement, averaged over its parameter sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    /// Instructions of SQLite's virtual machine, or PostgreSQL's plan cost.
    pub(crate) units: f64,
    /// Rows that scans of whole tables passed, on SQLite.
    pub(crate) full_scan_steps: Option<f64>,
    /// Sorts, on SQLite.
    pub(crate) sorts: Option<f64>,
    /// Rows of indexes that the statement built for itself, on SQLite.
    pub(crate) automatic_index_rows: Option<f64>,
    /// Indexes in the plan.
    pub(crate) indexes: Vec<String>,
}

/// Part of the time of an insert that maintaining an index takes at least: less cannot be told from noise.
const MIN_COST: f64 = 0.05;

/// Durations without and with some indexes: the shortest of several, since whatever else the machine does only adds to them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) without: Duration,
    pub(crate) with: Duration,
}

impl Times {
    /// Returns what the index costs an insert, in seconds.
    pub(crate) fn cost(&self) -> f64 {
        let without = self.without.as_secs_f64();
        (self.with.as_secs_f64() - without).max(without * MIN_COST)
    }
}

/// Durations of the rounds of a measurement.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    without: Vec<Duration>,
    with: Vec<Duration>,
}

impl Rounds {
    /// Adds a round.
    fn push(&mut self, without: Duration, with: Duration) {
        self.without.push(without);
        self.with.push(with);
    }

    /// Returns whether the rounds tell the difference from what else the machine does.
    fn are_enough(&self, rounds_if_short: usize) -> bool {
        let count = self.without.len();
        count >= rounds_if_short || (count >= ROUNDS && self.shortest().without >= SHORT)
    }

    fn shortest(&self) -> Times {
        let shortest = |times: &[Duration]| times.iter().min().copied().unwrap_or_default();
        Times { without: shortest(&self.without), with: shortest(&self.with) }
    }
}

impl Scratch {
    /// Copies tables with their indexes and analyzes them. Of a larger table it copies a sample.
    pub(crate) async fn copy(
        db: &Database,
        tables: Vec<Table>,
        max_rows: u64,
        deadline: Instant,
    ) -> Result<(Self, Vec<CopiedTable>)> {
        match db.dialect() {
            Dialect::Sqlite => {
                let (scratch, copied) = SqliteScratch::copy(db, tables, max_rows, deadline).await?;
                Ok((Self::Sqlite(scratch), copied))
            }
            Dialect::Postgres => {
                let (scratch, copied) = PostgresScratch::copy(db, tables, max_rows, deadline).await?;
                Ok((Self::Postgres(Box::new(scratch)), copied))
            }
        }
    }

    /// Creates an index and returns its size in bytes.
    pub(crate) async fn create_index(&mut self, name: &str, sql: &str) -> Result<u64> {
        match self {
            Self::Sqlite(scratch) => scratch.create_index(sql).await,
            Self::Postgres(scratch) => scratch.create_index(name, sql).await,
        }
    }

    /// Drops an index.
    pub(crate) async fn drop_index(&mut self, name: &str) -> Result<()> {
        match self {
            Self::Sqlite(scratch) => scratch.drop_index(name).await,
            Self::Postgres(scratch) => scratch.drop_index(name).await,
        }
    }

    /// Returns the work of a statement.
    pub(crate) async fn work(&mut self, statement: &Parsed, samples: &[Vec<Value>]) -> Result<Work> {
        match self {
            Self::Sqlite(scratch) => scratch.work(statement, samples).await,
            Self::Postgres(scratch) => scratch.work(statement, samples).await,
        }
    }

    /// Measures a statement without and with indexes that exist, in turn.
    pub(crate) async fn times(
        &mut self,
        statement: &Parsed,
        samples: &[Vec<Value>],
        indexes: &[String],
    ) -> Result<Times> {
        match self {
            Self::Sqlite(scratch) => scratch.times(statement, samples, indexes).await,
            Self::Postgres(scratch) => scratch.times(statement, samples, indexes).await,
        }
    }

    /// Measures the insertion of a row without and with an index that exists, in turn.
    pub(crate) async fn insert_times(&mut self, table: &Table, index: &str) -> Result<Times> {
        match self {
            Self::Sqlite(scratch) => scratch.insert_times(table, index).await,
            Self::Postgres(scratch) => scratch.insert_times(table, index).await,
        }
    }
}

/// Returns the average of a figure over several runs.
fn mean(figures: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = figures.len().max(1) as f64;
    figures.sum::<f64>() / count
}
