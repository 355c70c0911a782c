//! Encoding of a Rust value for a placeholder.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::{SqlType, Value, f64_from_decimal, timestamp};

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
        f64_from_decimal(*self).map(Value::Float).ok_or_else(|| {
            format!("{self} would change in a double precision column, which keeps 15 significant digits")
        })
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
        // PostgreSQL rejects U+0000 in a text, and SQLite's own functions truncate at it.
        if self.contains('\0') {
            return Err("holds the character U+0000, which no text column can".to_owned());
        }
        Ok(Value::Text(self.clone()))
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

impl Encode for [i64] {
    const SQL_TYPE: SqlType = SqlType::Ints;

    fn encode(&self) -> Result<Value, String> {
        Ok(Value::Ints(self.to_owned()))
    }
}

impl Encode for Vec<i64> {
    const SQL_TYPE: SqlType = SqlType::Ints;

    fn encode(&self) -> Result<Value, String> {
        self.as_slice().encode()
    }
}

impl Encode for Vec<String> {
    const SQL_TYPE: SqlType = SqlType::Texts;

    fn encode(&self) -> Result<Value, String> {
        for text in self {
            text.encode()?;
        }
        Ok(Value::Texts(self.clone()))
    }
}
