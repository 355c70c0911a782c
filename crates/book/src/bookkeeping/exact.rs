//! Decimals of any length: sums and products without rounding.
//!
//! The product of two `Decimal`s may have 58 digits, and `Decimal` rounds it in silence.

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};
use rust_decimal::Decimal;

/// An exact decimal.
#[derive(Clone, Debug)]
pub(crate) struct Exact {
    /// The value times `10^scale`.
    digits: BigInt,
    scale: u32,
}

/// Decimals that a double holds exactly have at most this many significant digits (`DBL_DIG`).
pub(super) const SIGNIFICANT: u32 = 15;

/// `Decimal` has at most this many decimals.
const MAX_SCALE: u32 = Decimal::MAX_SCALE;

impl From<Decimal> for Exact {
    fn from(value: Decimal) -> Self {
        Self { digits: value.mantissa().into(), scale: value.scale() }
    }
}

impl Exact {
    pub(crate) fn zero() -> Self {
        Self { digits: BigInt::ZERO, scale: 0 }
    }

    pub(crate) fn plus(&self, other: &Self) -> Self {
        let scale = self.scale.max(other.scale);
        Self { digits: self.digits_at(scale) + other.digits_at(scale), scale }
    }

    pub(crate) fn minus(&self, other: &Self) -> Self {
        self.plus(&other.negated())
    }

    pub(crate) fn times(&self, other: &Self) -> Self {
        Self { digits: &self.digits * &other.digits, scale: self.scale + other.scale }
    }

    pub(crate) fn negated(&self) -> Self {
        Self { digits: -&self.digits, scale: self.scale }
    }

    pub(crate) fn absolute(&self) -> Self {
        Self { digits: self.digits.magnitude().clone().into(), scale: self.scale }
    }

    /// Returns −1, 0 or 1.
    pub(crate) fn sign(&self) -> i32 {
        match self.digits.sign() {
            Sign::Minus => -1,
            Sign::NoSign => 0,
            Sign::Plus => 1,
        }
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        self.digits_at(scale).cmp(&other.digits_at(scale))
    }

    /// Rounds half to even to a number of decimals.
    pub(crate) fn rounded(&self, scale: u32) -> Self {
        if self.scale <= scale {
            return self.clone();
        }
        Self { digits: divided(&self.digits, &power(self.scale - scale)), scale }
    }

    /// Divides and rounds half to even to 15 significant digits, or to 28 decimals if those are fewer digits.
    ///
    /// # Panics
    /// If the divisor is zero.
    pub(crate) fn divided_by(&self, divisor: &Self) -> Self {
        // self / divisor = numerator / denominator, both integers.
        let numerator = self.digits_at(self.scale.max(divisor.scale));
        let denominator = divisor.digits_at(self.scale.max(divisor.scale));
        if numerator.sign() == Sign::NoSign {
            return Self::zero();
        }
        // The quotient has `whole` or `whole + 1` digits before the point (negative: zeros after it).
        let whole = length(&numerator) - length(&denominator);
        let mut scale = i64::from(SIGNIFICANT) - whole;
        let scaled = |scale: i64| {
            let (up, down) = (scale.max(0), (-scale).max(0));
            divided(&(&numerator * power(up as u32)), &(&denominator * power(down as u32)))
        };
        let mut digits = scaled(scale.min(MAX_SCALE.into()));
        if length(&digits) > i64::from(SIGNIFICANT) {
            // One digit too many: divide again, since rounding twice may differ from rounding once.
            scale -= 1;
            digits = scaled(scale.min(MAX_SCALE.into()));
        }
        let scale = scale.min(MAX_SCALE.into());
        match u32::try_from(scale) {
            Ok(scale) => Self { digits, scale },
            Err(_) => Self { digits: digits * power(-scale as u32), scale: 0 },
        }
    }

    /// Returns the value as a `Decimal` that a column of doubles holds exactly; `None` if there is none.
    pub(crate) fn to_decimal(&self) -> Option<Decimal> {
        let (digits, scale) = self.without_trailing_zeros();
        if significant(&digits) > i64::from(SIGNIFICANT) {
            return None;
        }
        let digits = i128::try_from(&digits).ok()?;
        Decimal::try_from_i128_with_scale(digits, scale).ok()
    }

    /// Returns the value as a `Decimal`; `None` if it has more than 28 digits.
    pub(crate) fn to_whole_decimal(&self) -> Option<Decimal> {
        let (digits, scale) = self.without_trailing_zeros();
        Decimal::try_from_i128_with_scale(i128::try_from(&digits).ok()?, scale).ok()
    }

    fn without_trailing_zeros(&self) -> (BigInt, u32) {
        let (mut digits, mut scale) = (self.digits.clone(), self.scale);
        let ten = BigInt::from(10);
        while scale > 0 && (&digits % &ten).sign() == Sign::NoSign {
            digits /= &ten;
            scale -= 1;
        }
        (digits, scale)
    }

    fn digits_at(&self, scale: u32) -> BigInt {
        &self.digits * power(scale - self.scale)
    }
}

fn power(exponent: u32) -> BigInt {
    match 10_i128.checked_pow(exponent) {
        Some(power) => power.into(),
        None => BigInt::from(10).pow(exponent),
    }
}

/// Returns the number of decimal digits.
fn length(digits: &BigInt) -> i64 {
    match u128::try_from(digits.magnitude()) {
        Ok(0) => 0,
        Ok(digits) => i64::from(digits.ilog10()) + 1,
        Err(_) => digits.magnitude().to_string().len() as i64,
    }
}

/// Returns the number of decimal digits without the zeros at the end.
fn significant(digits: &BigInt) -> i64 {
    let text = digits.magnitude().to_string();
    text.trim_end_matches('0').len() as i64
}

/// Divides and rounds half to even.
fn divided(numerator: &BigInt, denominator: &BigInt) -> BigInt {
    let quotient = numerator / denominator;
    let remainder = numerator - &quotient * denominator;
    let twice: BigInt = &remainder + &remainder;
    let away = match twice.magnitude().cmp(denominator.magnitude()) {
        Ordering::Less => false,
        Ordering::Equal => quotient.bit(0),
        Ordering::Greater => true,
    };
    if !away {
        return quotient;
    }
    let is_negative = (numerator.sign() == Sign::Minus) != (denominator.sign() == Sign::Minus);
    quotient + if is_negative { -1 } else { 1 }
}
