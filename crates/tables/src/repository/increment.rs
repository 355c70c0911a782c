//! Sums that are exact or refused.

use rust_decimal::Decimal;
use tallybook_core::{Encode, Error, Result};

/// A number to which [`Repository::add`](crate::tables::Repository::add) adds without rounding.
pub trait Increment: Encode + Copy + std::fmt::Display + Send + Sync + 'static {
    /// Returns the sum, or `None` if it cannot be represented exactly.
    fn exact_sum(self, other: Self) -> Option<Self>;

    /// Returns the sum, or an error that names the column.
    #[doc(hidden)]
    fn plus(self, amount: Self, column: &str) -> Result<Self> {
        let refused = || Error::invalid_value(column, format!("{self} + {amount} has too many digits"));
        self.exact_sum(amount).ok_or_else(refused)
    }
}

impl Increment for i64 {
    fn exact_sum(self, other: Self) -> Option<Self> {
        self.checked_add(other)
    }
}

impl Increment for i32 {
    fn exact_sum(self, other: Self) -> Option<Self> {
        self.checked_add(other)
    }
}

impl Increment for Decimal {
    /// `Decimal::checked_add` rounds a sum of more than 28 digits.
    fn exact_sum(self, other: Self) -> Option<Self> {
        let (one, other) = (self.normalize(), other.normalize());
        let mut scale = one.scale().max(other.scale());
        let digits =
            |number: Decimal| number.mantissa().checked_mul(10_i128.checked_pow(scale - number.scale())?);
        let mut sum = digits(one)?.checked_add(digits(other)?)?;
        while scale > 0 && sum % 10 == 0 {
            (sum, scale) = (sum / 10, scale - 1);
        }
        Decimal::try_from_i128_with_scale(sum, scale).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::Increment;

    fn decimals() -> impl Strategy<Value = Decimal> {
        (any::<i64>(), 0..=28u32).prop_map(|(digits, scale)| Decimal::new(digits, scale))
    }

    proptest! {
        #[test]
        fn a_sum_is_exact_or_refused(one in decimals(), other in decimals()) {
            if let Some(sum) = one.exact_sum(other) {
                prop_assert_eq!(sum.exact_sum(-other), Some(one));
                prop_assert_eq!(other.exact_sum(one), Some(sum));
            }
        }

        #[test]
        fn amounts_of_money_are_always_summed(
            one in -1_000_000_000_000_000i64..1_000_000_000_000_000,
            other in -1_000_000_000_000_000i64..1_000_000_000_000_000,
            scales in (0..=12u32, 0..=12u32),
        ) {
            let (one, other) = (Decimal::new(one, scales.0), Decimal::new(other, scales.1));
            prop_assert_eq!(one.exact_sum(other), one.checked_add(other));
        }
    }

    #[test]
    fn a_sum_that_decimal_would_round_is_refused() {
        let large: Decimal = "7000000000000000000000000000".parse().unwrap();
        let small: Decimal = "0.0000000000000000000000000001".parse().unwrap();
        assert_eq!(large.checked_add(small), Some(large));
        assert_eq!(large.exact_sum(small), None);
        assert_eq!(i64::MAX.exact_sum(1), None);
    }
}
