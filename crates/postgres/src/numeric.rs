//! PostgreSQL's binary `numeric`.

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
