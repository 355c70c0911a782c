//! Values on their way to and from a database: what may be bound, what may be read, and the two
//! conversions that must be exact: decimals and timestamps.

mod decimal;
mod encode;
mod kind;
mod params;
mod spelling;
mod text;
mod timestamp;

pub use encode::Encode;
pub use kind::Kind;
pub use params::Params;
pub use timestamp::now;

pub(crate) use decimal::{decimal_from_f64, f64_from_decimal};
pub(crate) use spelling::is_canonical;
pub(crate) use timestamp::{
    POSTGRES_EPOCH, RANGE, format_timestamp, parse_foreign, parse_timestamp, unreadable,
};

use chrono::{DateTime, Utc};

/// A value ready to be bound to a placeholder: what it holds comes back equal from either engine.
///
/// Made by [`Encode`], usually through [`params!`](crate::params).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// SQL NULL of a known type.
    Null(Kind),
    /// A boolean (0 or 1 on SQLite).
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite double.
    Float(f64),
    /// A text.
    Text(String),
    /// A moment in whole microseconds.
    Timestamp(DateTime<Utc>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list of whole numbers, for `= ANY($1)` on PostgreSQL and `IN rarray($1)` on SQLite.
    Ints(Vec<i64>),
    /// A list of texts, used as [`Value::Ints`].
    Texts(Vec<String>),
}

impl Value {
    /// What is wrong with a value that was made by hand: a number that is none. SQLite would keep it as NULL.
    pub(crate) fn problem(&self) -> Option<String> {
        match self {
            Value::Float(number) if !number.is_finite() => Some(format!("{number} is not a number to keep")),
            _ => None,
        }
    }

    /// The type that a placeholder is declared with.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Null(kind) => *kind,
            Value::Bool(_) => Kind::Bool,
            Value::Int(_) => Kind::Int,
            Value::Float(_) => Kind::Float,
            Value::Text(_) => Kind::Text,
            Value::Timestamp(_) => Kind::Timestamp,
            Value::Bytes(_) => Kind::Bytes,
            Value::Ints(_) => Kind::Ints,
            Value::Texts(_) => Kind::Texts,
        }
    }
}
