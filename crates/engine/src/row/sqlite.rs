//! A row of SQLite, read while it is stepped over.

use chrono::{DateTime, Utc};
use rusqlite::types::ValueRef;
use rusqlite::{Row, Statement};
use rust_decimal::Decimal;

use super::cell::decimal_of_double;
use super::keys::{KeyValue, Notes};
use super::{Cell, Cells, Column, Misfit, check_names, is_named_on_sqlite, misfit};
use crate::error::{Error, Result};
use crate::value::{Kind, is_canonical, parse_timestamp, unreadable};

/// A row of SQLite.
#[derive(Debug)]
pub struct SqliteRow<'a> {
    row: &'a Row<'a>,
    notes: &'a Notes,
}

impl<'a> SqliteRow<'a> {
    /// Decoding it takes its notes, so it is to be decoded once.
    pub(crate) fn new(row: &'a Row<'a>, notes: &'a Notes) -> Self {
        notes.next_row();
        Self { row, notes }
    }
}

impl Cells for SqliteRow<'_> {
    type Cell<'r>
        = SqliteCell<'r>
    where
        Self: 'r;

    fn cell(&self, index: usize) -> SqliteCell<'_> {
        let value = self.row.get_ref(index).unwrap_or(ValueRef::Null);
        self.notes.add_bytes(size(value));
        // SQLite types values: a column of numbers may hold a text.
        self.notes.note(index, |_| match value {
            ValueRef::Integer(value) => Some(KeyValue::Int(value)),
            ValueRef::Text(text) => Some(KeyValue::Text(text)),
            _ => None,
        });
        SqliteCell(value)
    }

    fn is_foreign_timestamp(&self, index: usize) -> bool {
        matches!(self.row.get_ref(index), Ok(ValueRef::Text(text)) if !is_canonical(text))
    }
}

fn size(value: ValueRef<'_>) -> u64 {
    match value {
        ValueRef::Null => 0,
        ValueRef::Integer(_) | ValueRef::Real(_) => 8,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() as u64,
    }
}

/// One value. SQLite types values, not columns, so each read checks.
#[derive(Clone, Copy, Debug)]
pub struct SqliteCell<'r>(ValueRef<'r>);

impl SqliteCell<'_> {
    /// What it is, without its value: an error may end up in a log.
    fn found(self) -> Misfit {
        match self.0 {
            ValueRef::Null => misfit("NULL"),
            ValueRef::Integer(_) => misfit("an integer"),
            ValueRef::Real(_) => misfit("a double"),
            ValueRef::Text(text) => misfit(format!("a text of {} bytes", text.len())),
            ValueRef::Blob(bytes) => misfit(format!("a blob of {} bytes", bytes.len())),
        }
    }
}

impl<'r> Cell<'r> for SqliteCell<'r> {
    fn is_null(self) -> bool {
        matches!(self.0, ValueRef::Null)
    }

    fn bool(self) -> Result<bool, Misfit> {
        match self.0 {
            ValueRef::Integer(0) => Ok(false),
            ValueRef::Integer(1) => Ok(true),
            _ => Err(self.found()),
        }
    }

    fn int(self) -> Result<i64, Misfit> {
        match self.0 {
            ValueRef::Integer(value) => Ok(value),
            _ => Err(self.found()),
        }
    }

    fn float(self) -> Result<f64, Misfit> {
        /// Whole numbers up to here are doubles too, without rounding.
        const EXACT: i64 = 1 << 53;
        match self.0 {
            ValueRef::Real(value) => Ok(value),
            ValueRef::Integer(value) if (-EXACT..=EXACT).contains(&value) => Ok(value as f64),
            ValueRef::Integer(_) => Err(misfit("an integer of more than 53 bits")),
            _ => Err(self.found()),
        }
    }

    fn decimal(self) -> Result<Decimal, Misfit> {
        decimal_of_double(self.float()?)
    }

    fn text(self) -> Result<&'r str, Misfit> {
        match self.0 {
            ValueRef::Text(text) => std::str::from_utf8(text).map_err(|_| misfit("a text that is not UTF-8")),
            _ => Err(self.found()),
        }
    }

    fn bytes(self) -> Result<&'r [u8], Misfit> {
        match self.0 {
            ValueRef::Blob(bytes) => Ok(bytes),
            _ => Err(self.found()),
        }
    }

    fn timestamp(self) -> Result<DateTime<Utc>, Misfit> {
        match self.0 {
            ValueRef::Text(text) => {
                let text = std::str::from_utf8(text).map_err(|_| misfit("a text that is not UTF-8"))?;
                parse_timestamp(text).ok_or_else(|| misfit(unreadable(text)))
            }
            _ => Err(self.found()),
        }
    }
}

/// Checks that a statement has as many columns as a struct reads, with their names.
pub(crate) fn check_columns(statement: &Statement<'_>, expected: &[Column]) -> Result<()> {
    let found = statement.column_count();
    if found == expected.len() {
        let name = |place| statement.column_name(place).unwrap_or_default();
        return check_names(expected, name, |_, name| is_named_on_sqlite(name));
    }
    let kind = expected.first().map_or(Kind::Int, |column| column.kind);
    Err(Error::misfit("the result", kind, format!("{found} columns where the struct has {}", expected.len())))
}
