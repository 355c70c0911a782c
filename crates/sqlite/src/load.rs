//! Bulk load by one prepared INSERT, many rows a hop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Statement;
use tallybook_sql::driver::Loaded;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::value::Value;

use super::Connection;
use super::bind::{bind, is_list};
use super::connection::{PendingResult, WorkerHandle};
use super::error::convert;

/// Rows sent to the connection's thread together.
const ROWS_PER_HOP: usize = 1_000;

/// A running bulk load, inside the transaction of its session.
pub struct Load {
    thread: WorkerHandle,
    insert: String,
    columns: Arc<[String]>,
    waiting: Vec<Vec<Value>>,
    /// Rows being inserted while the next ones are collected.
    under_way: Option<PendingResult<Result<Duration>>>,
    loaded: Loaded,
}

impl Connection {
    /// Begins a bulk load into columns of a table.
    pub async fn load(&mut self, table: &str, columns: &[&str]) -> Result<Load> {
        let marks = vec!["?"; columns.len()].join(", ");
        let insert = format!("INSERT INTO {table} ({}) VALUES ({marks})", columns.join(", "));
        let first = insert.clone();
        self.thread().call(move |sqlite| sqlite.prepare_cached(&first).map(drop).map_err(convert)).await??;
        Ok(Load {
            thread: self.thread().clone(),
            insert,
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            waiting: Vec::with_capacity(ROWS_PER_HOP),
            under_way: None,
            loaded: Loaded { rows: 0, statements: 0, round_trips: 1, busy: Duration::ZERO },
        })
    }
}

impl Load {
    /// Appends a row, and sends the collected rows once there are enough.
    pub async fn write(&mut self, row: Vec<Value>) -> Result<()> {
        if row.len() != self.columns.len() {
            let problem = format!("has {} values for {} columns", row.len(), self.columns.len());
            return Err(Error::invalid_value("the row", problem));
        }
        let mut values = row.iter().zip(&*self.columns);
        if let Some((value, column)) = values.find(|(value, _)| is_list(value.kind())) {
            let problem = format!("{}, which SQLite can't store", value.kind());
            return Err(Error::invalid_value(column, problem));
        }
        self.waiting.push(row);
        if self.waiting.len() < ROWS_PER_HOP { Ok(()) } else { self.send().await }
    }

    /// Starts to insert the collected rows, after the previous ones are inserted.
    async fn send(&mut self) -> Result<()> {
        self.settle().await?;
        let rows = std::mem::replace(&mut self.waiting, Vec::with_capacity(ROWS_PER_HOP));
        let before = self.loaded.rows as usize;
        self.loaded.rows += rows.len() as u64;
        self.loaded.statements += rows.len() as u64;
        self.loaded.round_trips += 1;
        let insert = self.insert.clone();
        let columns = Arc::clone(&self.columns);
        self.under_way = Some(self.thread.start(move |sqlite| {
            let start = Instant::now();
            let mut statement = sqlite.prepare_cached(&insert).map_err(convert)?;
            for (index, row) in rows.iter().enumerate() {
                insert_row(&mut statement, row, &columns)
                    .map_err(|error| error.at_row(before + index + 1))?;
            }
            Ok(start.elapsed())
        })?);
        Ok(())
    }

    async fn settle(&mut self) -> Result<()> {
        if let Some(answer) = self.under_way.take() {
            self.loaded.busy += answer.wait().await??;
        }
        Ok(())
    }

    /// Inserts the remaining rows, and returns the totals.
    pub async fn finish(mut self) -> Result<Loaded> {
        if !self.waiting.is_empty() {
            self.send().await?;
        }
        self.settle().await?;
        Ok(self.loaded)
    }
}

fn insert_row(statement: &mut Statement<'_>, row: &[Value], columns: &[String]) -> Result<usize> {
    for (index, (value, column)) in row.iter().zip(columns).enumerate() {
        bind(statement, index + 1, value, |problem| Error::invalid_value(column, problem))?;
    }
    statement.raw_execute().map_err(convert)
}
