//! The types that both engines share.

use std::fmt;

/// The type of a column or a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// `boolean`; 0 and 1 on SQLite.
    Bool,
    /// `smallint`, `integer` or `bigint`.
    Int,
    /// `double precision` (`real` too when reading).
    Float,
    /// A decimal kept in a `double precision` column.
    Decimal,
    /// `text` or `varchar`.
    Text,
    /// `timestamp` (UTC); text on SQLite.
    Timestamp,
    /// `bytea` or a blob.
    Bytes,
    /// A list of whole numbers; a parameter only.
    Ints,
    /// A list of texts; a parameter only.
    Texts,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Bool => "a boolean",
            Kind::Int => "a whole number",
            Kind::Float => "a double",
            Kind::Decimal => "a decimal",
            Kind::Text => "a text",
            Kind::Timestamp => "a timestamp (YYYY-MM-DD HH:MM:SS.ffffff, UTC)",
            Kind::Bytes => "bytes",
            Kind::Ints => "a list of whole numbers",
            Kind::Texts => "a list of texts",
        })
    }
}
