//! The types that both dialects share.

use std::fmt;

/// The type of a column or a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SqlType {
    /// `boolean`; 0 and 1 on SQLite.
    Bool,
    /// `smallint`, `integer` or `bigint`.
    Int,
    /// `double precision`; when reading, `real` too.
    Float,
    /// A decimal stored in a `double precision` column.
    Decimal,
    /// `text` or `varchar`.
    Text,
    /// `timestamp` in UTC; a text on SQLite.
    Timestamp,
    /// `bytea` or a blob.
    Bytes,
    /// A list of whole numbers; parameters only.
    Ints,
    /// A list of texts; parameters only.
    Texts,
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SqlType::Bool => "a boolean",
            SqlType::Int => "a whole number",
            SqlType::Float => "a double",
            SqlType::Decimal => "a decimal",
            SqlType::Text => "a text",
            SqlType::Timestamp => "a timestamp (YYYY-MM-DD HH:MM:SS.ffffff, UTC)",
            SqlType::Bytes => "bytes",
            SqlType::Ints => "a list of whole numbers",
            SqlType::Texts => "a list of texts",
        })
    }
}
