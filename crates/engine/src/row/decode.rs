//! From one value of a row to a Rust type.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::cell::{Cell, Misfit, misfit};
use crate::value::Kind;

/// A type that one column of a row is read into.
pub trait Decode: Sized {
    /// The type that the column must have.
    const KIND: Kind;
    /// Whether NULL fits.
    const NULLABLE: bool = false;

    /// Reads the value.
    fn decode<'r, C: Cell<'r>>(cell: C) -> Result<Self, Misfit>;
}

impl<T: Decode> Decode for Option<T> {
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;

    fn decode<'r, C: Cell<'r>>(cell: C) -> Result<Self, Misfit> {
        if cell.is_null() { Ok(None) } else { T::decode(cell).map(Some) }
    }
}

macro_rules! decode {
    ($($type:ty => $kind:ident, $method:ident $(, $convert:expr)?;)*) => {$(
        impl Decode for $type {
            const KIND: Kind = Kind::$kind;

            fn decode<'r, C: Cell<'r>>(cell: C) -> Result<Self, Misfit> {
                let value = cell.$method()?;
                $(let value = $convert(value)?;)?
                Ok(value)
            }
        }
    )*};
}

decode! {
    bool => Bool, bool;
    i64 => Int, int;
    i32 => Int, int, |value| i32::try_from(value).map_err(|_| misfit("one that 32 bits can't hold"));
    f64 => Float, float;
    Decimal => Decimal, decimal;
    String => Text, text, |text: &str| Ok::<_, Misfit>(text.to_owned());
    DateTime<Utc> => Timestamp, timestamp;
    Vec<u8> => Bytes, bytes, |bytes: &[u8]| Ok::<_, Misfit>(bytes.to_owned());
}
