//! One value of a row.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::value::decimal_from_f64;

/// Why a value does not fit: what was found instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit(Cow<'static, str>);

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was found instead of a value that fits.
pub(crate) fn misfit(found: impl Into<Cow<'static, str>>) -> Misfit {
    Misfit(found.into())
}

/// One value of a row, as a driver holds it: each method reads it as one type or says what it is instead.
pub trait Cell<'r>: Copy {
    /// Whether it is NULL.
    fn is_null(self) -> bool;
    /// As a boolean.
    fn bool(self) -> Result<bool, Misfit>;
    /// As a whole number of any width up to 64 bits.
    fn int(self) -> Result<i64, Misfit>;
    /// As a double.
    fn float(self) -> Result<f64, Misfit>;
    /// As a text.
    fn text(self) -> Result<&'r str, Misfit>;
    /// As bytes.
    fn bytes(self) -> Result<&'r [u8], Misfit>;
    /// As a moment.
    fn timestamp(self) -> Result<DateTime<Utc>, Misfit>;

    /// As the shortest decimal of a double; that of a `numeric` of PostgreSQL is exact.
    fn decimal(self) -> Result<Decimal, Misfit> {
        decimal_of_double(self.float()?)
    }
}

/// The shortest decimal of a double, or what it is instead.
pub(super) fn decimal_of_double(double: f64) -> Result<Decimal, Misfit> {
    decimal_from_f64(double).ok_or_else(|| {
        if double.is_finite() {
            misfit("a double beyond what a decimal holds: 7.9e28, and 28 digits behind the point")
        } else {
            misfit(double.to_string())
        }
    })
}
