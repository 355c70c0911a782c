//! Rows of SQLite, read while it steps over them.

use rusqlite::types::ValueRef as SqliteValueRef;
use rusqlite::{Row, Statement};
use smallvec::SmallVec;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::row::{Column, ValueRef, check_names, is_named_on_sqlite};
use tallybook_sql::value::SqlType;

/// The values of a row. Most rows need no allocation.
pub(super) type Values<'r> = SmallVec<[ValueRef<'r>; 24]>;

/// Reads the first `count` values of a row. Returns them and their size in bytes.
pub(super) fn values<'r>(row: &'r Row<'_>, count: usize) -> (Values<'r>, u64) {
    let mut size = 0;
    let values = (0..count).map(|index| match row.get_ref(index).unwrap_or(SqliteValueRef::Null) {
        SqliteValueRef::Null => ValueRef::Null,
        SqliteValueRef::Integer(value) => {
            size += 8;
            ValueRef::Int(value)
        }
        SqliteValueRef::Real(value) => {
            size += 8;
            ValueRef::Float(value)
        }
        SqliteValueRef::Text(text) => {
            size += text.len() as u64;
            ValueRef::Text(text)
        }
        SqliteValueRef::Blob(bytes) => {
            size += bytes.len() as u64;
            ValueRef::Bytes(bytes)
        }
    });
    let values = values.collect();
    (values, size)
}

/// Checks the number and the names of a statement's columns against a struct.
pub(super) fn check_columns(statement: &Statement<'_>, expected: &[Column]) -> Result<()> {
    let found = statement.column_count();
    if found == expected.len() {
        let name = |place| statement.column_name(place).unwrap_or_default();
        return check_names(expected, name, |_, name| is_named_on_sqlite(name));
    }
    let kind = expected.first().map_or(SqlType::Int, |column| column.sql_type);
    Err(Error::decode("the result", kind, format!("{found} columns where the struct has {}", expected.len())))
}
