//! Values to bind and values read, and the two conversions that must be exact: decimals and timestamps.

mod decimal;
mod encode;
mod params;
mod sql_type;
mod text_form;
mod timestamp;
mod timestamp_forms;

pub use encode::Encode;
pub use params::Params;
pub use sql_type::SqlType;
pub use timestamp::now;

pub use decimal::{decimal_from_f64, f64_from_decimal};
pub use timestamp::{POSTGRES_EPOCH, RANGE, format_timestamp, parse_foreign, parse_timestamp, unreadable};
pub use timestamp_forms::is_canonical;

use chrono::{DateTime, Utc};

/// A value to bind to a placeholder. It reads back equal from either dialect.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL NULL of a known type.
    Null(SqlType),
    /// A boolean (0 or 1 on SQLite).
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite double.
    Float(f64),
    /// A text.
    Text(String),
    /// A time in whole microseconds.
    Timestamp(DateTime<Utc>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list of whole numbers, for `= ANY($1)` on PostgreSQL and `IN rarray($1)` on SQLite.
    Ints(Vec<i64>),
    /// A list of texts, used like [`Value::Ints`].
    Texts(Vec<String>),
}

impl Value {
    /// Returns the problem with a value built by hand: a double that is not finite, which SQLite would store as NULL.
    #[doc(hidden)]
    pub fn problem(&self) -> Option<String> {
        match self {
            Value::Float(number) if !number.is_finite() => Some(format!("{number} is not a number to keep")),
            _ => None,
        }
    }

    /// Returns the type of the placeholder.
    pub fn kind(&self) -> SqlType {
        match self {
            Value::Null(kind) => *kind,
            Value::Bool(_) => SqlType::Bool,
            Value::Int(_) => SqlType::Int,
            Value::Float(_) => SqlType::Float,
            Value::Text(_) => SqlType::Text,
            Value::Timestamp(_) => SqlType::Timestamp,
            Value::Bytes(_) => SqlType::Bytes,
            Value::Ints(_) => SqlType::Ints,
            Value::Texts(_) => SqlType::Texts,
        }
    }
}
