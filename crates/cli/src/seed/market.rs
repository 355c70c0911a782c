//! Symbols and their prices.

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use rust_decimal::Decimal;

/// 2024-01-01, the beginning of all prices.
const OPENING: i64 = 1_704_067_200;
const HOURS: usize = 2 * 365 * 24;

/// Symbols with their initial price, in cents, and the standard deviation of their hourly returns.
const SYMBOLS: [(&str, f64, f64); 40] = [
    ("AAPL", 18_500.0, 0.0032),
    ("MSFT", 37_000.0, 0.0030),
    ("NVDA", 49_500.0, 0.0058),
    ("AMZN", 15_100.0, 0.0036),
    ("GOOGL", 13_900.0, 0.0034),
    ("META", 34_600.0, 0.0044),
    ("TSLA", 24_800.0, 0.0066),
    ("BRK.B", 36_000.0, 0.0018),
    ("JPM", 17_000.0, 0.0024),
    ("V", 26_000.0, 0.0021),
    ("UNH", 52_500.0, 0.0025),
    ("XOM", 10_000.0, 0.0029),
    ("JNJ", 15_600.0, 0.0016),
    ("WMT", 15_700.0, 0.0018),
    ("MA", 42_500.0, 0.0022),
    ("PG", 14_600.0, 0.0016),
    ("HD", 34_500.0, 0.0023),
    ("CVX", 14_900.0, 0.0028),
    ("KO", 5_900.0, 0.0014),
    ("PEP", 17_000.0, 0.0016),
    ("AMD", 14_700.0, 0.0060),
    ("NFLX", 48_600.0, 0.0042),
    ("INTC", 5_000.0, 0.0048),
    ("DIS", 9_000.0, 0.0032),
    ("BA", 26_000.0, 0.0041),
    ("NKE", 10_800.0, 0.0031),
    ("PFE", 2_880.0, 0.0026),
    ("T", 1_680.0, 0.0022),
    ("F", 1_210.0, 0.0040),
    ("GE", 10_200.0, 0.0031),
    ("SPY", 47_500.0, 0.0013),
    ("QQQ", 40_900.0, 0.0018),
    ("IWM", 20_000.0, 0.0022),
    ("GLD", 19_100.0, 0.0015),
    ("TLT", 9_900.0, 0.0016),
    ("COIN", 17_400.0, 0.0090),
    ("PLTR", 1_720.0, 0.0075),
    ("SHOP", 7_700.0, 0.0056),
    ("UBER", 6_150.0, 0.0045),
    ("SNOW", 19_900.0, 0.0060),
];

/// The hourly prices of all symbols.
pub(super) struct Market {
    cents: Vec<Vec<f64>>,
}

impl Market {
    /// Generates prices as geometric random walks.
    pub(super) fn new(rng: &mut ChaCha8Rng) -> Self {
        let cents = SYMBOLS
            .iter()
            .map(|&(_, start, deviation)| {
                let mut price = start;
                (0..HOURS)
                    .map(|_| {
                        let shock: f64 = rng.sample(StandardNormal);
                        price = (price * (deviation * shock).exp()).clamp(start / 20.0, start * 20.0);
                        price
                    })
                    .collect()
            })
            .collect();
        Self { cents }
    }

    pub(super) fn symbols(&self) -> usize {
        SYMBOLS.len()
    }

    pub(super) fn name(&self, symbol: usize) -> &'static str {
        SYMBOLS[symbol].0
    }

    /// Returns the price of a symbol, moved by `ticks` cents.
    pub(super) fn price(&self, symbol: usize, at: DateTime<Utc>, ticks: i64) -> Decimal {
        let hour = usize::try_from((at - opening()).num_hours()).unwrap_or(0).min(HOURS - 1);
        let cents = self.cents[symbol][hour].round() as i64 + ticks;
        Decimal::new(cents.max(1), 2)
    }
}

/// Returns the time of the first price.
pub(super) fn opening() -> DateTime<Utc> {
    DateTime::from_timestamp(OPENING, 0).unwrap_or_default()
}

/// Returns the time span of all prices.
pub(super) fn span() -> TimeDelta {
    TimeDelta::hours(HOURS as i64)
}
