//! Values to bind and values read, and the conversions that must be exact: decimals, times, UUIDs and JSON.

mod calendar;
mod decimal;
mod encode;
mod finite;
mod json;
mod list;
mod numeric;
mod params;
mod sql_type;
mod text_form;
mod timestamp;
mod timestamp_forms;
mod uuid;

pub use encode::Encode;
pub use json::Json;
pub use numeric::Numeric;
pub use params::Params;
pub use sql_type::SqlType;
pub use timestamp::now;

pub use calendar::{format_date, format_time, parse_date, parse_time};
pub use decimal::{decimal_from_f64, decimal_from_text, f64_from_decimal, has_fifteen_digits};
pub(crate) use json::parse as parse_json;
pub(crate) use numeric::check_precision;
pub use numeric::{canonical_numeric, would_change};
pub use timestamp::{POSTGRES_EPOCH, RANGE, format_timestamp, parse_foreign, parse_timestamp, unreadable};
pub use timestamp_forms::is_canonical;
pub use uuid::{format_uuid, parse_uuid};

use ::uuid::Uuid;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;

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
    /// A decimal for a column of any type. PostgreSQL stores it by the type of the column: exactly in a `numeric` column;
    /// refused in a `double precision` column unless the double reads back as the same decimal. SQLite stores a double, and
    /// refuses more than 15 digits, because the column may be any.
    Decimal(Decimal),
    /// A decimal for a column that is declared `double precision`, checked to read back equal from it. SQLite stores a
    /// double.
    DecimalAsDouble(Decimal),
    /// A decimal for a `numeric` column, exact. SQLite stores its canonical text.
    Numeric(Decimal),
    /// A text.
    Text(String),
    /// A text for a column of an enum type of PostgreSQL. SQLite stores a text.
    Enum(String),
    /// A time in whole microseconds.
    Timestamp(DateTime<Utc>),
    /// A day. SQLite stores `YYYY-MM-DD`.
    Date(NaiveDate),
    /// A time of day in whole microseconds. SQLite stores `HH:MM:SS.ffffff`.
    Time(NaiveTime),
    /// A UUID. SQLite stores its lower-case hyphenated text.
    Uuid(Uuid),
    /// The text of a JSON value, without U+0000 in it.
    Json(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list of whole numbers, for `= ANY($1)` and arrays on PostgreSQL and `IN rarray($1)` on SQLite.
    Ints(Vec<i64>),
    /// A list of finite doubles, used like [`Value::Ints`].
    Floats(Vec<f64>),
    /// A list of booleans, used like [`Value::Ints`].
    Bools(Vec<bool>),
    /// A list of texts, used like [`Value::Ints`].
    Texts(Vec<String>),
    /// A list of UUIDs, used like [`Value::Ints`].
    Uuids(Vec<Uuid>),
}

impl Value {
    /// Returns the problem with a value built by hand: a double that is not finite, which SQLite would store as NULL; a
    /// decimal that a double would round; a date or a time that a dialect can't hold.
    #[doc(hidden)]
    pub fn problem(&self) -> Option<String> {
        let not_finite = |number: &f64| format!("{number} is not a number to keep");
        match self {
            Value::Float(number) if !number.is_finite() => Some(not_finite(number)),
            Value::Floats(numbers) => numbers.iter().find(|number| !number.is_finite()).map(not_finite),
            Value::DecimalAsDouble(decimal) if f64_from_decimal(*decimal).is_none() => {
                Some(would_change(*decimal))
            }
            Value::Timestamp(moment) => timestamp::check(*moment).err(),
            Value::Date(date) => calendar::check_date(*date).err(),
            Value::Time(time) => calendar::check_time(*time).err(),
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
            Value::Decimal(_) | Value::DecimalAsDouble(_) => SqlType::Decimal,
            Value::Numeric(_) => SqlType::Numeric,
            Value::Text(_) => SqlType::Text,
            Value::Enum(_) => SqlType::Enum,
            Value::Timestamp(_) => SqlType::Timestamp,
            Value::Date(_) => SqlType::Date,
            Value::Time(_) => SqlType::Time,
            Value::Uuid(_) => SqlType::Uuid,
            Value::Json(_) => SqlType::Json,
            Value::Bytes(_) => SqlType::Bytes,
            Value::Ints(_) => SqlType::Ints,
            Value::Floats(_) => SqlType::Floats,
            Value::Bools(_) => SqlType::Bools,
            Value::Texts(_) => SqlType::Texts,
            Value::Uuids(_) => SqlType::Uuids,
        }
    }
}
