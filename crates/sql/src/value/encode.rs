//! Encoding of a Rust value for a placeholder.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{SqlType, Value, calendar, timestamp};

/// A type whose values can be bound to a placeholder. Encoding is exact or fails: the error describes the problem, and
/// the caller adds the column or parameter.
pub trait Encode {
    /// The type of the placeholder, also for `None`.
    const SQL_TYPE: SqlType;

    /// Returns the value to bind, or the problem with it.
    fn encode(&self) -> Result<Value, String>;
}

impl<T: Encode + ?Sized> Encode for &T {
    const SQL_TYPE: SqlType = T::SQL_TYPE;

    fn encode(&self) -> Result<Value, String> {
        T::encode(self)
    }
}

impl<T: Encode> Encode for Option<T> {
    const SQL_TYPE: SqlType = T::SQL_TYPE;

    fn encode(&self) -> Result<Value, String> {
        self.as_ref().map_or(Ok(Value::Null(T::SQL_TYPE)), T::encode)
    }
}

impl Encode for bool {
    const SQL_TYPE: SqlType = SqlType::Bool;

    fn encode(&self) -> Result<Value, String> {
        Ok(Value::Bool(*self))
    }
}

macro_rules! encode_int {
    ($($int:ty),*) => {$(
        impl Encode for $int {
            const SQL_TYPE: SqlType = SqlType::Int;

            fn encode(&self) -> Result<Value, String> {
                Ok(Value::Int(i64::from(*self)))
            }
        }
    )*};
}

encode_int!(i16, i32, i64, u32);

impl Encode for f64 {
    const SQL_TYPE: SqlType = SqlType::Float;

    fn encode(&self) -> Result<Value, String> {
        // SQLite would silently store NaN as NULL.
        if self.is_finite() {
            Ok(Value::Float(*self))
        } else {
            Err(format!("{self} is not a number to keep"))
        }
    }
}

impl Encode for Decimal {
    const SQL_TYPE: SqlType = SqlType::Decimal;

    fn encode(&self) -> Result<Value, String> {
        Ok(Value::Decimal(*self))
    }
}

impl Encode for str {
    const SQL_TYPE: SqlType = SqlType::Text;

    fn encode(&self) -> Result<Value, String> {
        self.to_owned().encode()
    }
}

impl Encode for String {
    const SQL_TYPE: SqlType = SqlType::Text;

    fn encode(&self) -> Result<Value, String> {
        check_text(self, "text")?;
        Ok(Value::Text(self.clone()))
    }
}

/// Refuses U+0000, which PostgreSQL rejects in a text, and at which SQLite's own functions truncate. `column` is the type
/// of the column.
pub(super) fn check_text(text: &str, column: &str) -> Result<(), String> {
    if text.contains('\0') {
        return Err(format!("holds the character U+0000, which no {column} column can"));
    }
    Ok(())
}

impl Encode for NaiveDate {
    const SQL_TYPE: SqlType = SqlType::Date;

    fn encode(&self) -> Result<Value, String> {
        calendar::check_date(*self).map(Value::Date)
    }
}

impl Encode for NaiveTime {
    const SQL_TYPE: SqlType = SqlType::Time;

    fn encode(&self) -> Result<Value, String> {
        calendar::check_time(*self).map(Value::Time)
    }
}

impl Encode for Uuid {
    const SQL_TYPE: SqlType = SqlType::Uuid;

    fn encode(&self) -> Result<Value, String> {
        Ok(Value::Uuid(*self))
    }
}

impl Encode for DateTime<Utc> {
    const SQL_TYPE: SqlType = SqlType::Timestamp;

    fn encode(&self) -> Result<Value, String> {
        timestamp::check(*self).map(Value::Timestamp)
    }
}

impl Encode for [u8] {
    const SQL_TYPE: SqlType = SqlType::Bytes;

    fn encode(&self) -> Result<Value, String> {
        Ok(Value::Bytes(self.to_owned()))
    }
}

impl Encode for Vec<u8> {
    const SQL_TYPE: SqlType = SqlType::Bytes;

    fn encode(&self) -> Result<Value, String> {
        self.as_slice().encode()
    }
}
