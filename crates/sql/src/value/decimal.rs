//! Conversion between decimals and doubles, without loss.
//!
//! A double keeps every decimal of up to 15 significant digits (`DBL_DIG` of IEEE 754 binary64): two such decimals
//! never share a double. So a double stands for at most one of them, which is also its shortest decimal, and exact
//! integer arithmetic converts both ways. Only longer numbers need the general algorithms: Ryū for printing, and the
//! correctly rounding parser of the standard library.

use rust_decimal::Decimal;

/// Integers below this have at most 15 digits.
const FIFTEEN_DIGITS: i64 = 1_000_000_000_000_000;

/// Added to a double below 2^51 and subtracted again, it rounds to the nearest whole number. On processors without an
/// instruction for it, `f64::round` is a call of libm.
const TO_WHOLE: f64 = 1.5 * (1_u64 << 52) as f64;

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Scales to try first: whole numbers, then cents to ticks, then quantities of crypto assets.
const FAST_SCALES: [u32; 3] = [0, 4, 9];

/// Returns the shortest decimal that reads back as `value`; `None` for NaN, infinities and values out of the range of
/// `Decimal`.
pub fn decimal_from_f64(value: f64) -> Option<Decimal> {
    FAST_SCALES.iter().find_map(|&scale| scaled(value, scale)).or_else(|| shortest(value))
}

/// Returns `value` as an integer of at most 15 digits over `10^scale`, if it is one.
///
/// Both operands are exact, so the division is correctly rounded: equality proves that `value` is the double nearest to
/// that decimal.
fn scaled(value: f64, scale: u32) -> Option<Decimal> {
    let power = POWERS[scale as usize];
    let digits = (value * power + TO_WHOLE) - TO_WHOLE;
    if digits.abs() >= FIFTEEN_DIGITS as f64 || digits / power != value {
        return None;
    }
    Some(without_trailing_zeros(digits as i64, scale))
}

fn without_trailing_zeros(mut digits: i64, mut scale: u32) -> Decimal {
    if digits == 0 {
        return Decimal::ZERO;
    }
    while scale > 0 && digits % 10 == 0 {
        digits /= 10;
        scale -= 1;
    }
    Decimal::new(digits, scale)
}

/// Prints the shortest digits and parses them as a decimal.
fn shortest(value: f64) -> Option<Decimal> {
    if !value.is_finite() {
        return None;
    }
    let mut buffer = ryu::Buffer::new();
    decimal_from_text(buffer.format_finite(value)).map(|decimal| decimal.normalize())
}

/// Parses a decimal exactly, with an exponent or without; `None` for any other text, and for more than 28 digits.
pub fn decimal_from_text(text: &str) -> Option<Decimal> {
    // The parser accepts 1_000, which no other reader does.
    if text.contains('_') {
        return None;
    }
    match text.split_once(['e', 'E']) {
        None => Decimal::from_str_exact(text).ok(),
        Some((mantissa, exponent)) => {
            with_exponent(Decimal::from_str_exact(mantissa).ok()?, exponent.parse().ok()?)
        }
    }
}

/// Returns whether a decimal has at most 15 significant digits, which every program finds again in its double.
pub fn has_fifteen_digits(value: Decimal) -> bool {
    let mut digits = value.mantissa().unsigned_abs();
    while digits >= FIFTEEN_DIGITS as u128 && digits.is_multiple_of(10) {
        digits /= 10;
    }
    digits < FIFTEEN_DIGITS as u128
}

fn with_exponent(mantissa: Decimal, exponent: i32) -> Option<Decimal> {
    let mantissa = mantissa.normalize();
    let scale = i64::from(mantissa.scale()) - i64::from(exponent);
    if let Ok(scale) = u32::try_from(scale) {
        return Decimal::try_from_i128_with_scale(mantissa.mantissa(), scale).ok();
    }
    let factor = 10_i128.checked_pow(u32::try_from(-scale).ok()?)?;
    Decimal::try_from_i128_with_scale(mantissa.mantissa().checked_mul(factor)?, 0).ok()
}

/// Returns the double that reads back as `value`, if there is one.
pub fn f64_from_decimal(value: Decimal) -> Option<f64> {
    let mantissa = value.mantissa();
    let scale = value.scale() as usize;
    if mantissa.unsigned_abs() < FIFTEEN_DIGITS as u128 && scale < POWERS.len() {
        return Some(mantissa as f64 / POWERS[scale]);
    }
    let double: f64 = value.to_string().parse().ok()?;
    (decimal_from_f64(double) == Some(value)).then_some(double)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decimals of up to 15 significant digits at every scale that `Decimal` has.
    fn fifteen_digits() -> impl Strategy<Value = Decimal> {
        (-(FIFTEEN_DIGITS - 1)..FIFTEEN_DIGITS, 0..=28u32)
            .prop_map(|(digits, scale)| Decimal::new(digits, scale))
    }

    proptest! {
        #[test]
        fn fifteen_digits_survive_the_round_trip(value in fifteen_digits()) {
            let double = f64_from_decimal(value).expect("fits a double");
            prop_assert_eq!(decimal_from_f64(double), Some(value));
        }

        #[test]
        fn the_fast_path_agrees_with_the_general_one(value in fifteen_digits()) {
            let double = f64_from_decimal(value).expect("fits a double");
            prop_assert_eq!(decimal_from_f64(double), shortest(double));
            prop_assert_eq!(double, value.to_string().parse::<f64>().expect("a number"));
        }

        #[test]
        fn any_double_that_decimal_holds_comes_back_as_itself(bits in any::<u64>()) {
            let double = f64::from_bits(bits);
            if let Some(decimal) = decimal_from_f64(double) {
                prop_assert_eq!(f64_from_decimal(decimal), Some(double));
            }
        }

        #[test]
        fn what_is_accepted_is_never_rounded(digits in any::<i64>(), scale in 0..=28u32) {
            let value = Decimal::new(digits, scale);
            if let Some(double) = f64_from_decimal(value) {
                prop_assert_eq!(decimal_from_f64(double), Some(value));
            }
        }
    }

    #[test]
    fn nan_and_infinities_are_not_decimals() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            assert_eq!(decimal_from_f64(value), None, "{value}");
        }
    }

    #[test]
    fn a_number_of_seventeen_digits_that_no_double_is_nearest_to_is_refused() {
        let value: Decimal = "0.10000000000000001".parse().unwrap();
        assert_eq!(f64_from_decimal(value), None);
    }

    #[test]
    fn doubles_are_the_decimals_that_they_are_written_as() {
        for (value, expected) in [
            (0.1 + 0.2, Some("0.30000000000000004")),
            (999_999_999_999_999.0, Some("999999999999999")),
            (1e15, Some("1000000000000000")),
            (-9_007_199_254_740_993.0, Some("-9007199254740992")),
            (1e21, Some("1000000000000000000000")),
            (1.5e22, Some("15000000000000000000000")),
            (7.9e28, Some("79000000000000000000000000000")),
            (8e28, None),
            (1e-7, Some("0.0000001")),
            (1.25e-10, Some("0.000000000125")),
            (1e-28, Some("0.0000000000000000000000000001")),
            (1e-29, None),
        ] {
            let decimal = decimal_from_f64(value);
            assert_eq!(decimal.map(|decimal| decimal.to_string()).as_deref(), expected, "{value}");
            if let Some(decimal) = decimal {
                assert_eq!(f64_from_decimal(decimal), Some(value), "{value}");
            }
        }
    }

    #[test]
    fn zeros_at_the_end_are_no_significant_digits() {
        for (text, is_short) in [
            ("0", true),
            ("999999999999999", true),
            ("-1000000000000000", true),
            ("100000000000000000000.00", true),
            ("1000000000000001", false),
            ("0.30000000000000004", false),
        ] {
            assert_eq!(has_fifteen_digits(text.parse().unwrap()), is_short, "{text}");
        }
    }

    #[test]
    fn negative_zero_is_zero() {
        assert_eq!(decimal_from_f64(-0.0), Some(Decimal::ZERO));
    }
}
