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
    /// `numeric`: an exact decimal of up to 28 digits; a text on SQLite.
    Numeric,
    /// `text` or `varchar`.
    Text,
    /// An enum type of PostgreSQL; a text on SQLite. The server takes the type of a placeholder from the statement.
    Enum,
    /// `timestamp` or `timestamptz`, in UTC; a text on SQLite.
    Timestamp,
    /// `date`; a text on SQLite.
    Date,
    /// `time`; a text on SQLite.
    Time,
    /// `uuid`; a text on SQLite.
    Uuid,
    /// `json` or `jsonb`; a text on SQLite.
    Json,
    /// `bytea` or a blob.
    Bytes,
    /// A list of whole numbers: an array on PostgreSQL; on SQLite a parameter only.
    Ints,
    /// A list of doubles, used like [`SqlType::Ints`].
    Floats,
    /// A list of booleans, used like [`SqlType::Ints`].
    Bools,
    /// A list of texts, used like [`SqlType::Ints`].
    Texts,
    /// A list of UUIDs, used like [`SqlType::Ints`].
    Uuids,
}

impl SqlType {
    /// Returns the type of a `numeric` column whose field has this type. For the derive of `Row`.
    #[doc(hidden)]
    #[must_use]
    pub const fn as_numeric(self) -> Self {
        match self {
            SqlType::Decimal | SqlType::Numeric => SqlType::Numeric,
            _ => panic!("#[row(numeric)] belongs to a field of type Decimal or Option<Decimal>"),
        }
    }

    /// Returns the type of a column of an enum type whose field has this type. For the derive of `Row`.
    #[doc(hidden)]
    #[must_use]
    pub const fn as_pg_enum(self) -> Self {
        match self {
            SqlType::Text | SqlType::Enum => SqlType::Enum,
            _ => panic!("#[row(pg_enum)] belongs to a field that is stored as a text"),
        }
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SqlType::Bool => "a boolean",
            SqlType::Int => "a whole number",
            SqlType::Float => "a double",
            SqlType::Decimal => "a decimal",
            SqlType::Numeric => "an exact decimal",
            SqlType::Text => "a text",
            SqlType::Enum => "a text of an enum type",
            SqlType::Timestamp => "a timestamp (YYYY-MM-DD HH:MM:SS.ffffff, UTC)",
            SqlType::Date => "a date (YYYY-MM-DD)",
            SqlType::Time => "a time (HH:MM:SS.ffffff)",
            SqlType::Uuid => "a UUID",
            SqlType::Json => "JSON",
            SqlType::Bytes => "bytes",
            SqlType::Ints => "a list of whole numbers",
            SqlType::Floats => "a list of doubles",
            SqlType::Bools => "a list of booleans",
            SqlType::Texts => "a list of texts",
            SqlType::Uuids => "a list of UUIDs",
        })
    }
}
