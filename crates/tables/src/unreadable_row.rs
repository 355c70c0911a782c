//! Rows that do not fit the types of their table, since other programs write to the same tables.

use std::fmt;
use std::marker::PhantomData;

use tallybook_core::{Column, Row, RowRef, Value};

use crate::table::Table;

/// A scanned row: its values in column order, or its errors.
pub type ScannedRow = std::result::Result<Vec<Value>, UnreadableRow>;

/// A row that cannot be decoded, or whose values could not be written back unchanged. Contains no values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadableRow {
    /// The table's name.
    pub table: &'static str,
    /// The row's identifier.
    pub id: String,
    /// The errors, in column order; at least one.
    pub columns: Vec<UnreadableColumn>,
}

/// A value that cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadableColumn {
    /// The column's name.
    pub column: String,
    /// The expected and the actual type or form, without the value.
    pub reason: String,
}

impl fmt::Display for UnreadableRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, id {}", self.table, self.id)?;
        for (index, column) in self.columns.iter().enumerate() {
            write!(f, "{} column {}: {}", if index == 0 { "," } else { ";" }, column.column, column.reason)?;
        }
        Ok(())
    }
}

/// A row of `T` with its identifier. Decoding fails only if the identifier cannot be read.
pub(crate) struct Scan<T: Table> {
    pub(crate) id: T::Key,
    pub(crate) row: ScannedRow,
    table: PhantomData<fn() -> T>,
}

impl<T: Table> Row for Scan<T> {
    const COLUMNS: &'static [Column] = T::COLUMNS;
    const COLUMN_LIST: &'static str = T::COLUMN_LIST;

    fn decode(row: RowRef<'_>) -> tallybook_core::Result<Self> {
        let index = Self::COLUMNS.iter().position(|column| column.name == "id").unwrap_or(0);
        let id: T::Key = row.get(Self::COLUMNS, index)?;
        let values = T::decode(row).and_then(|decoded| decoded.encode());
        let values = values.map_err(|error| UnreadableRow {
            table: T::NAME,
            id: id.to_string(),
            columns: columns::<T>(row, &error),
        });
        Ok(Self { id, row: values, table: PhantomData })
    }

    fn encode(&self) -> tallybook_core::Result<Vec<Value>> {
        self.row.clone().map_err(|unreadable| {
            tallybook_core::Error::invalid_value(unreadable.table, unreadable.to_string())
        })
    }
}

/// Collects all errors of a row, of which `error` is the first.
fn columns<T: Table>(row: RowRef<'_>, error: &tallybook_core::Error) -> Vec<UnreadableColumn> {
    let columns: Vec<_> = T::COLUMNS
        .iter()
        .enumerate()
        .filter_map(|(index, column)| {
            let reason = column.read(row.value(index)).err()?;
            Some(UnreadableColumn { column: column.name.to_owned(), reason })
        })
        .collect();
    if !columns.is_empty() {
        return columns;
    }
    // A number with more digits than its field's type holds.
    vec![UnreadableColumn { column: error.column().unwrap_or("?").to_owned(), reason: error.to_string() }]
}
