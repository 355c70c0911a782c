//! Rows that do not fit the book's types: other programs write into the same tables.

use std::fmt;
use std::marker::PhantomData;

use tallybook_engine::{Cells, Column, Row, Value};

use crate::table::Table;

/// A row of a scan: its values in the order of the table's columns, or what is wrong with it.
pub type Scanned = std::result::Result<Vec<Value>, Unreadable>;

/// A row that can't be read, or whose values could not be written back unchanged. It tells no values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreadable {
    /// The table.
    pub table: &'static str,
    /// The row's identifier.
    pub id: i64,
    /// What is wrong with it, in the order of the columns; at least one.
    pub flaws: Vec<Flaw>,
}

/// A value that can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flaw {
    /// Its column.
    pub column: String,
    /// What was expected and what was found, without the value.
    pub reason: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, id {}", self.table, self.id)?;
        for (index, flaw) in self.flaws.iter().enumerate() {
            write!(f, "{} column {}: {}", if index == 0 { "," } else { ";" }, flaw.column, flaw.reason)?;
        }
        Ok(())
    }
}

/// A row of `T` with its identifier. Decoding it fails only where the identifier can't be read.
pub(crate) struct Scan<T> {
    pub(crate) id: i64,
    pub(crate) row: Scanned,
    table: PhantomData<fn() -> T>,
}

impl<T: Table> Row for Scan<T> {
    const COLUMNS: &'static [Column] = T::COLUMNS;
    const COLUMN_LIST: &'static str = T::COLUMN_LIST;

    fn decode<R: Cells>(cells: &R) -> tallybook_engine::Result<Self> {
        let index = Self::COLUMNS.iter().position(|column| column.name == "id").unwrap_or(0);
        let id = cells.get(Self::COLUMNS, index)?;
        let row = T::decode(cells).and_then(|row| row.encode());
        let row = row.map_err(|error| Unreadable { table: T::NAME, id, flaws: flaws::<T, R>(cells, &error) });
        Ok(Self { id, row, table: PhantomData })
    }

    fn encode(&self) -> tallybook_engine::Result<Vec<Value>> {
        self.row.clone().map_err(|unreadable| {
            tallybook_engine::Error::invalid_value(unreadable.table, unreadable.to_string())
        })
    }
}

/// All that is wrong with a row, of which `error` is the first.
fn flaws<T: Table, R: Cells>(cells: &R, error: &tallybook_engine::Error) -> Vec<Flaw> {
    let flaws: Vec<_> = T::COLUMNS
        .iter()
        .enumerate()
        .filter_map(|(index, column)| {
            let reason = column.read(cells.cell(index)).err()?;
            Some(Flaw { column: column.name.to_owned(), reason })
        })
        .collect();
    if !flaws.is_empty() {
        return flaws;
    }
    // A number too long for the type of its field.
    vec![Flaw { column: error.column().unwrap_or("?").to_owned(), reason: error.to_string() }]
}
