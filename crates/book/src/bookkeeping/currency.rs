//! The number of decimals of money.

use iso_currency::Currency;

/// Decimals of amounts whose code is not one of ISO 4217, for example `BTC`: those of a satoshi.
const OTHER: u32 = 8;

/// Returns the number of decimals to which cash and realized profit are rounded: those of the currency's minor unit in ISO
/// 4217, for example 2 for `USD`, 0 for `JPY` and 3 for `KWD`; 8 for other codes.
pub fn currency_scale(code: &str) -> u32 {
    Currency::from_code(code).and_then(Currency::exponent).map_or(OTHER, u32::from)
}
