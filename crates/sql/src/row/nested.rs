//! Rows within rows: the columns of a struct that holds other rows, put together at compile time.
//!
//! The derive of [`Row`] calls these functions in constants, for fields marked `#[row(nested)]`.

use super::{Column, Row};
use crate::error::Result;
use crate::value::Value;

/// Returns the number of columns in all parts.
pub const fn count(parts: &[&[Column]]) -> usize {
    let (mut part, mut count) = (0, 0);
    while part < parts.len() {
        count += parts[part].len();
        part += 1;
    }
    count
}

/// Returns the columns of all parts, which are `N`.
pub const fn joined<const N: usize>(parts: &[&[Column]]) -> [Column; N] {
    let mut columns = [BLANK; N];
    let (mut part, mut at) = (0, 0);
    while part < parts.len() {
        let mut index = 0;
        while index < parts[part].len() {
            columns[at] = parts[part][index];
            at += 1;
            index += 1;
        }
        part += 1;
    }
    columns
}

/// Stands in an array until its columns are known.
const BLANK: Column = Column {
    name: "",
    sql_type: crate::value::SqlType::Int,
    nullable: false,
    max: None,
    precision: None,
    references: None,
};

/// Returns the number of bytes in the names of the columns, each with a text before it and one between each two.
pub const fn name_bytes(before: &str, between: &str, columns: &[Column]) -> usize {
    let (mut index, mut bytes) = (0, 0);
    while index < columns.len() {
        bytes += before.len() + columns[index].name.len();
        if index > 0 {
            bytes += between.len();
        }
        index += 1;
    }
    bytes
}

/// Returns these names, which are `N` bytes.
pub const fn names<const N: usize>(before: &str, between: &str, columns: &[Column]) -> [u8; N] {
    let mut bytes = [0; N];
    let (mut index, mut at) = (0, 0);
    while index < columns.len() {
        if index > 0 {
            at = copy(between, &mut bytes, at);
        }
        at = copy(before, &mut bytes, at);
        at = copy(columns[index].name, &mut bytes, at);
        index += 1;
    }
    bytes
}

const fn copy(text: &str, into: &mut [u8], mut at: usize) -> usize {
    let bytes = text.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        into[at] = bytes[index];
        at += 1;
        index += 1;
    }
    at
}

/// Returns the text of these bytes.
pub const fn text(bytes: &'static [u8]) -> &'static str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("names are joined whole"),
    }
}

/// Returns the `N` columns of a nested row under the names in `names`, each of which has `prefix` more bytes than the
/// column's own. They may be NULL if the row is optional.
pub const fn prefixed<const N: usize>(
    prefix: usize,
    names: &'static [u8],
    columns: &[Column],
    is_optional: bool,
) -> [Column; N] {
    let mut prefixed = [BLANK; N];
    let (mut index, mut rest) = (0, names);
    while index < N {
        let (name, following) = rest.split_at(prefix + columns[index].name.len());
        prefixed[index] =
            Column { name: text(name), nullable: columns[index].nullable || is_optional, ..columns[index] };
        rest = following;
        index += 1;
    }
    prefixed
}

/// Encodes an optional row. A missing row is NULL in every column.
pub fn encode<R: Row>(row: Option<&R>) -> Result<Vec<Value>> {
    match row {
        Some(row) => row.encode(),
        None => Ok(R::COLUMNS.iter().map(|column| Value::Null(column.sql_type)).collect()),
    }
}
