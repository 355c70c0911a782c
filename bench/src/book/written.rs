//! The trade that every peer writes, with its two executions of half its quantity each. Recorded fills have its costs, exchange
//! and time.

use chrono::{DateTime, NaiveDateTime};

pub(super) const SYMBOL: &str = "AAPL";
pub(super) const ACTION: &str = "BUY";
pub(super) const ORDER_TYPE: &str = "MARKET";
pub(super) const STATUS: &str = "FILLED";
pub(super) const QUANTITY: f64 = 100.0;
pub(super) const PRICE: f64 = 185.25;
pub(super) const EXECUTION_TYPE: &str = "FILL";
pub(super) const COMMISSION: f64 = 1.25;
pub(super) const FEES: f64 = 0.02;
pub(super) const EXCHANGE: &str = "NASDAQ";
/// Executions, which share the quantity.
pub(super) const PARTS: i32 = 2;
/// What one of them fills.
pub(super) const PART: f64 = QUANTITY / 2.0;

/// Behind all times of the book: 2026-01-02 03:04:05.678901.
pub(super) fn time() -> NaiveDateTime {
    DateTime::from_timestamp_micros(1_767_323_045_678_901).unwrap_or_default().naive_utc()
}
