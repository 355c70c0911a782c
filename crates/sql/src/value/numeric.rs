//! Exact decimals, for columns of type `numeric`.

use rust_decimal::Decimal;

use super::{Encode, SqlType, Value};
use crate::row::{Decode, DecodeError, ValueRef};

/// A decimal of a `numeric` column: exact, up to 28 digits. On SQLite it is a text.
///
/// A [`Decimal`] parameter is a double on SQLite, as the columns of the book are; this wrapper binds the exact text
/// instead. In a struct, mark the field: `#[row(numeric)]`, with precision and scale `#[row(numeric(20, 8))]`.
///
/// ```
/// use tallybook::{Encode, Numeric, Value};
///
/// let fee = Numeric("0.1234567890123456789".parse().unwrap());
/// assert_eq!(fee.encode(), Ok(Value::Numeric(fee.0)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Numeric(pub Decimal);

impl Encode for Numeric {
    const SQL_TYPE: SqlType = SqlType::Numeric;

    fn encode(&self) -> Result<Value, String> {
        Ok(Value::Numeric(self.0))
    }
}

impl Decode for Numeric {
    const SQL_TYPE: SqlType = SqlType::Numeric;

    fn decode(value: ValueRef<'_>) -> Result<Self, DecodeError> {
        value.numeric().map(Self)
    }
}

/// Returns the text of a decimal that SQLite keeps: digits, a point if there is a fraction, no zeros at its end.
pub fn canonical_numeric(decimal: Decimal) -> String {
    decimal.normalize().to_string()
}

/// Describes a decimal that a double would round.
pub fn would_change(decimal: Decimal) -> String {
    format!("{decimal} would change in a double precision column, which keeps 15 significant digits")
}

/// Checks a decimal against `numeric(precision, scale)`. PostgreSQL rounds to the scale, and SQLite checks nothing.
pub(crate) fn check_precision(decimal: Decimal, (precision, scale): (u32, u32)) -> Result<(), String> {
    let normal = decimal.normalize();
    if normal.scale() > scale {
        return Err(format!("{decimal} has {} digits after the point, at most {scale} fit", normal.scale()));
    }
    let whole = normal.trunc().mantissa().unsigned_abs();
    let digits = if whole == 0 { 0 } else { whole.ilog10() + 1 };
    let most = precision.saturating_sub(scale);
    if digits > most {
        return Err(format!("{decimal} has {digits} digits before the point, at most {most} fit"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_and_scale_are_checked_without_zeros_at_the_end() {
        for (text, problem) in [
            ("0", None),
            ("999.99", None),
            ("-999.99", None),
            ("1.500000", None),
            ("0.001", Some("0.001 has 3 digits after the point, at most 2 fit")),
            ("1000", Some("1000 has 4 digits before the point, at most 3 fit")),
            ("-1000.5", Some("-1000.5 has 4 digits before the point, at most 3 fit")),
        ] {
            let decimal: Decimal = text.parse().unwrap();
            assert_eq!(check_precision(decimal, (5, 2)).err().as_deref(), problem, "{text}");
        }
    }

    #[test]
    fn the_text_is_canonical() {
        for (text, canonical) in [("1.50", "1.5"), ("-0.0", "0"), ("100", "100"), ("0.0000001", "0.0000001")]
        {
            assert_eq!(canonical_numeric(text.parse().unwrap()), canonical);
        }
    }
}
