//! The figures of all statements, pools and servers over one interval.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tallybook::Interval;

use super::cut;

/// One point of the charts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Sample {
    /// End of the interval, in seconds since 1970.
    pub(super) t: f64,
    /// Statements a second, failed ones included.
    pub(super) rate: f64,
    /// Failed statements a second.
    pub(super) errors: f64,
    pub(super) p50: Option<f64>,
    pub(super) p95: Option<f64>,
    pub(super) p99: Option<f64>,
    /// Connections in use, callers waiting for one, and the limit, of all pools.
    pub(super) in_use: usize,
    pub(super) waiting: usize,
    pub(super) limit: usize,
    /// Staleness of each replica in seconds, if it is known.
    pub(super) lag: BTreeMap<String, Option<f64>>,
}

impl Sample {
    /// Returns the point of an interval.
    pub(super) fn of(interval: &Interval) -> Self {
        let quantile = |index: usize| interval.quantiles().map(|quantiles| quantiles[index].as_secs_f64());
        Self {
            t: interval.at.timestamp_micros() as f64 / 1e6,
            rate: rate(interval.calls.saturating_add(interval.errors), interval.elapsed),
            errors: rate(interval.errors, interval.elapsed),
            p50: quantile(0),
            p95: quantile(1),
            p99: quantile(2),
            in_use: interval.in_use,
            waiting: interval.waiting,
            limit: interval.limit,
            lag: interval
                .lag
                .iter()
                .map(|(node, lag)| (cut::listed(node).to_owned(), lag.map(|lag| lag.as_secs_f64())))
                .collect(),
        }
    }
}

/// Returns a count a second, to a thousandth.
pub(super) fn rate(count: u64, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 { (count as f64 / seconds * 1e3).round() / 1e3 } else { 0.0 }
}
