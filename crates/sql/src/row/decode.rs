//! Decoding of one value into a Rust type.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{ArrayRef, DecodeError, ValueRef};
use crate::value::SqlType;

/// A type that a column is decoded into.
pub trait Decode: Sized {
    /// The type that the column must have.
    const SQL_TYPE: SqlType;
    /// True if the type accepts NULL.
    const NULLABLE: bool = false;
    /// The table whose rows a value identifies, for a typed identifier.
    const REFERENCES: Option<&'static str> = None;
    /// The texts that the type knows, for an enum that is stored as text; it may keep others too.
    const WORDS: &'static [&'static str] = &[];

    /// Decodes the value, or describes the value found.
    fn decode(value: ValueRef<'_>) -> Result<Self, DecodeError>;
}

impl<T: Decode> Decode for Option<T> {
    const SQL_TYPE: SqlType = T::SQL_TYPE;
    const NULLABLE: bool = true;
    const REFERENCES: Option<&'static str> = T::REFERENCES;
    const WORDS: &'static [&'static str] = T::WORDS;

    #[inline]
    fn decode(value: ValueRef<'_>) -> Result<Self, DecodeError> {
        if value.is_null() { Ok(None) } else { T::decode(value).map(Some) }
    }
}

macro_rules! decode {
    ($($type:ty => $kind:ident, $method:ident $(, $convert:expr)?;)*) => {$(
        impl Decode for $type {
            const SQL_TYPE: SqlType = SqlType::$kind;

            #[inline]
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
    i16 => Int, int, |value| i16::try_from(value).map_err(|_| DecodeError::new("one that 16 bits can't hold"));
    u32 => Int, int, |value| u32::try_from(value)
        .map_err(|_| DecodeError::new("one that 32 bits without a sign can't hold"));
    f64 => Float, float;
    Decimal => Decimal, decimal;
    String => Text, text, |text: &str| Ok::<_, DecodeError>(text.to_owned());
    DateTime<Utc> => Timestamp, timestamp;
    NaiveDate => Date, date;
    NaiveTime => Time, time;
    Uuid => Uuid, uuid;
    Vec<u8> => Bytes, bytes, |bytes: &[u8]| Ok::<_, DecodeError>(bytes.to_owned());
    Vec<i64> => Ints, array, |array: ArrayRef<'_>| array.read(whole);
    Vec<i32> => Ints, array, |array: ArrayRef<'_>| array.read(|item| {
        i32::try_from(whole(item)?).map_err(|_| DecodeError::new("a list of numbers that 32 bits can't hold"))
    });
    Vec<f64> => Floats, array, |array: ArrayRef<'_>| array.read(|item| sized(item).map(f64::from_be_bytes));
    Vec<bool> => Bools, array, |array: ArrayRef<'_>| array.read(|item| Ok(item == [1]));
    Vec<String> => Texts, array, |array: ArrayRef<'_>| array.read(|item| {
        std::str::from_utf8(item).map(str::to_owned).map_err(|_| DecodeError::new("a list of texts that are not UTF-8"))
    });
    Vec<Uuid> => Uuids, array, |array: ArrayRef<'_>| array.read(|item| sized(item).map(Uuid::from_bytes));
}

/// Reads an element of a `smallint[]`, `integer[]` or `bigint[]`.
fn whole(item: &[u8]) -> Result<i64, DecodeError> {
    match item.len() {
        2 => sized(item).map(|bytes| i16::from_be_bytes(bytes).into()),
        4 => sized(item).map(|bytes| i32::from_be_bytes(bytes).into()),
        _ => sized(item).map(i64::from_be_bytes),
    }
}

fn sized<const N: usize>(item: &[u8]) -> Result<[u8; N], DecodeError> {
    item.try_into().map_err(|_| DecodeError::new("an array whose elements have another size than their type"))
}
