//! PostgreSQL's binary `numeric`.

use bytes::{BufMut, BytesMut};
use rust_decimal::Decimal;

/// Base of the digits in the binary form.
const BASE: i128 = 10_000;
/// Decimal digits of one such digit.
const WIDTH: i32 = 4;
/// Number of digits, weight of the first, sign, and decimal digits after the point: two bytes each.
const HEADER: usize = 8;
const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;

/// Converts a `numeric` exactly. A value that a decimal can't hold is an error, never rounded.
pub(super) fn decimal_from_numeric(bytes: &[u8]) -> Result<Decimal, &'static str> {
    let word = |index: usize| {
        let word = bytes.get(index * 2..index * 2 + 2)?;
        Some(u16::from_be_bytes([word[0], word[1]]))
    };
    let header = || Some((word(0)?, word(1)? as i16, word(2)?));
    let (count, weight, sign) = header().ok_or("a numeric without its header")?;
    let is_negative = match sign {
        POSITIVE => false,
        NEGATIVE => true,
        0xd000 => return Err("infinity"),
        0xf000 => return Err("-infinity"),
        _ => return Err("NaN"),
    };
    let digits = (0..usize::from(count)).map(|index| word(HEADER / 2 + index));
    // Negative if zeros follow the digits.
    let scale = WIDTH * (i32::from(count) - 1 - i32::from(weight));
    exact(digits, scale)
        .map(|number| if is_negative { -number } else { number })
        .ok_or("a numeric of more digits than a decimal holds; round it: round(x, 10)")
}

fn exact(digits: impl Iterator<Item = Option<u16>>, mut scale: i32) -> Option<Decimal> {
    let mut number: i128 = 0;
    for digit in digits {
        number = number.checked_mul(BASE)?.checked_add(i128::from(digit?))?;
    }
    if number == 0 {
        return Some(Decimal::ZERO);
    }
    while scale > 0 && number % 10 == 0 {
        (number, scale) = (number / 10, scale - 1);
    }
    while scale < 0 {
        (number, scale) = (number.checked_mul(10)?, scale + 1);
    }
    Decimal::try_from_i128_with_scale(number, scale.try_into().ok()?).ok()
}

/// Writes a decimal as a `numeric`, with its digits after the point.
pub(super) fn put_numeric(decimal: Decimal, out: &mut BytesMut) {
    /// A mantissa of 96 bits and up to three zeros.
    const MAX_DIGITS: usize = 8;
    // Zeros make the digits after the point a multiple of the width.
    let zeros = (4 - decimal.scale() % 4) % 4;
    let mut rest = decimal.mantissa().unsigned_abs() * 10_u128.pow(zeros);
    let mut after_point = (decimal.scale() + zeros) as i16 / WIDTH as i16;
    let mut digits = [0_u16; MAX_DIGITS];
    let mut count = 0;
    while rest > 0 {
        let digit = (rest % BASE as u128) as u16;
        rest /= BASE as u128;
        if count == 0 && digit == 0 {
            // A digit of zeros at the end is left out.
            after_point -= 1;
        } else {
            digits[count] = digit;
            count += 1;
        }
    }
    out.put_i16(count as i16);
    out.put_i16(if count == 0 { 0 } else { count as i16 - 1 - after_point });
    out.put_u16(if decimal.is_sign_negative() && count > 0 { NEGATIVE } else { POSITIVE });
    out.put_u16(decimal.scale() as u16);
    digits[..count].iter().rev().for_each(|&digit| out.put_u16(digit));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_decimal_survives_the_binary_form(bits in any::<i128>(), scale in 0..=28_u32) {
            let decimal = Decimal::from_i128_with_scale(bits >> 32, scale);
            let mut out = BytesMut::new();
            put_numeric(decimal, &mut out);
            prop_assert_eq!(decimal_from_numeric(&out), Ok(decimal));
        }
    }

    #[test]
    fn the_binary_form_is_that_of_the_server() {
        for (text, words) in [
            ("0", &[0, 0, 0, 0][..]),
            ("-0.00", &[0, 0, 0, 2]),
            ("1.50", &[2, 0, 0, 2, 1, 5000]),
            ("-10000", &[1, 1, NEGATIVE, 0, 1]),
            ("0.0001", &[1, 0xffff, 0, 4, 1]),
            ("0.00001", &[1, 0xfffe, 0, 5, 1000]),
            ("12345678.9", &[3, 1, 0, 1, 1234, 5678, 9000]),
        ] {
            let mut out = BytesMut::new();
            put_numeric(text.parse().unwrap(), &mut out);
            let expected: Vec<_> = words.iter().flat_map(|word: &u16| word.to_be_bytes()).collect();
            assert_eq!(&out[..], expected, "{text}");
        }
    }
}
