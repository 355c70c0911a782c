//! Bulk load by one prepared insert, many rows to a hop.

use rusqlite::Statement;

use super::Connection;
use super::connection::Handle;
use super::error::convert;
use super::flight::bind;
use crate::driver::Loaded;
use crate::error::{Error, Result};
use crate::value::Value;

/// Rows that travel to the connection's thread together.
const ROWS_PER_HOP: usize = 1_000;

/// A bulk load under way, inside the transaction that its session began.
pub(crate) struct Load {
    thread: Handle,
    insert: String,
    columns: usize,
    waiting: Vec<Vec<Value>>,
    loaded: Loaded,
}

impl Connection {
    pub(crate) fn load(&mut self, table: &str, columns: &[&str]) -> Load {
        let marks = vec!["?"; columns.len()].join(", ");
        Load {
            thread: self.thread().clone(),
            insert: format!("INSERT INTO {table} ({}) VALUES ({marks})", columns.join(", ")),
            columns: columns.len(),
            waiting: Vec::with_capacity(ROWS_PER_HOP),
            loaded: Loaded { rows: 0, statements: 0, round_trips: 0 },
        }
    }
}

impl Load {
    pub(crate) async fn write(&mut self, row: Vec<Value>) -> Result<()> {
        if row.len() != self.columns {
            let problem = format!("has {} values for {} columns", row.len(), self.columns);
            return Err(Error::invalid_value("the row", problem));
        }
        self.waiting.push(row);
        if self.waiting.len() < ROWS_PER_HOP { Ok(()) } else { self.send().await }
    }

    async fn send(&mut self) -> Result<()> {
        let rows = std::mem::replace(&mut self.waiting, Vec::with_capacity(ROWS_PER_HOP));
        let count = rows.len() as u64;
        let before = self.loaded.rows as usize;
        let insert = self.insert.clone();
        self.thread
            .call(move |sqlite| {
                let mut statement = sqlite.prepare_cached(&insert).map_err(convert)?;
                for (index, row) in rows.iter().enumerate() {
                    insert_row(&mut statement, row)
                        .map_err(|error| convert(error).at_row(before + index + 1))?;
                }
                Ok::<_, Error>(())
            })
            .await??;
        self.loaded.rows += count;
        self.loaded.statements += count;
        self.loaded.round_trips += 1;
        Ok(())
    }

    pub(crate) async fn finish(mut self) -> Result<Loaded> {
        if !self.waiting.is_empty() {
            self.send().await?;
        }
        Ok(self.loaded)
    }
}

fn insert_row(statement: &mut Statement<'_>, row: &[Value]) -> rusqlite::Result<usize> {
    for (index, value) in row.iter().enumerate() {
        bind(statement, index + 1, value)?;
    }
    statement.raw_execute()
}
