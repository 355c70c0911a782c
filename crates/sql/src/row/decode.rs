//! Decoding of one value into a Rust type.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::{DecodeError, ValueRef};
use crate::value::SqlType;

/// A type that a column is decoded into.
pub trait Decode: Sized {
    /// The type that the column must have.
    const SQL_TYPE: SqlType;
    /// True if the type accepts NULL.
    const NULLABLE: bool = false;

    /// Decodes the value, or describes the value found.
    fn decode(value: ValueRef<'_>) -> Result<Self, DecodeError>;
}

impl<T: Decode> Decode for Option<T> {
    const SQL_TYPE: SqlType = T::SQL_TYPE;
    const NULLABLE: bool = true;

    fn decode(value: ValueRef<'_>) -> Result<Self, DecodeError> {
        if value.is_null() { Ok(None) } else { T::decode(value).map(Some) }
    }
}

macro_rules! decode {
    ($($type:ty => $kind:ident, $method:ident $(, $convert:expr)?;)*) => {$(
        impl Decode for $type {
            const SQL_TYPE: SqlType = SqlType::$kind;

            fn decode(value: ValueRef<'_>) -> Result<Self, DecodeError> {
                let value = value.$method()?;
                $(let value = $convert(value)?;)?
                Ok(value)
            }
        }
    )*};
}

decode! {
    bool => Bool, bool;
    i64 => Int, int;
    i32 => Int, int, |value| i32::try_from(value).map_err(|_| DecodeError::new("one that 32 bits can't hold"));
    f64 => Float, float;
    Decimal => Decimal, decimal;
    String => Text, text, |text: &str| Ok::<_, DecodeError>(text.to_owned());
    DateTime<Utc> => Timestamp, timestamp;
    Vec<u8> => Bytes, bytes, |bytes: &[u8]| Ok::<_, DecodeError>(bytes.to_owned());
}
