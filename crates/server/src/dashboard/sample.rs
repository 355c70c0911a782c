//! The figures of all statements, pools and servers over one interval.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tallybook::{BucketCounts, NodeRole, Report};

use super::cut;
use super::figures::quantiles;

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

/// What several reports of intervals add up to.
#[derive(Clone, Debug)]
pub(super) struct Interval {
    /// Its end.
    at: DateTime<Utc>,
    elapsed: Duration,
    calls: u64,
    errors: u64,
    longest: Duration,
    buckets: BucketCounts,
    in_use: usize,
    waiting: usize,
    limit: usize,
    lag: BTreeMap<String, Option<Duration>>,
}

impl Interval {
    /// Returns that of one report, whose counts are those of the interval.
    pub(super) fn of(report: &Report) -> Self {
        let sum = |count: fn(&tallybook::PoolReport) -> usize| {
            report.pools.iter().map(count).fold(0, usize::saturating_add)
        };
        let replicas = report.nodes.iter().filter(|node| node.role == NodeRole::Replica);
        Self {
            at: report.at,
            elapsed: elapsed(report),
            calls: report.totals.times.count,
            errors: report.totals.errors,
            longest: report.totals.times.max,
            buckets: report.totals.times.buckets.clone(),
            in_use: sum(|pool| pool.in_use),
            waiting: sum(|pool| pool.waiting),
            limit: sum(|pool| pool.limit),
            lag: replicas.map(|node| (cut::listed(&node.name).to_owned(), node.lag)).collect(),
        }
    }

    /// Adds the interval that follows. The highest use of pools and the greatest lag count, so that peaks stay visible.
    pub(super) fn add(&mut self, next: &Self) {
        self.at = next.at;
        self.elapsed = self.elapsed.saturating_add(next.elapsed);
        self.calls = self.calls.saturating_add(next.calls);
        self.errors = self.errors.saturating_add(next.errors);
        self.longest = self.longest.max(next.longest);
        self.buckets.add(&next.buckets);
        self.in_use = self.in_use.max(next.in_use);
        self.waiting = self.waiting.max(next.waiting);
        self.limit = next.limit;
        let before = std::mem::replace(&mut self.lag, next.lag.clone());
        for (node, lag) in &mut self.lag {
            *lag = (*lag).max(before.get(node).copied().flatten());
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.elapsed
    }

    pub(super) fn sample(&self) -> Sample {
        let [p50, p95, p99] = quantiles(&self.buckets, self.longest);
        Sample {
            t: self.at.timestamp_micros() as f64 / 1e6,
            rate: rate(self.calls.saturating_add(self.errors), self.elapsed),
            errors: rate(self.errors, self.elapsed),
            p50,
            p95,
            p99,
            in_use: self.in_use,
            waiting: self.waiting,
            limit: self.limit,
            lag: self
                .lag
                .iter()
                .map(|(node, lag)| (node.clone(), lag.map(|lag| lag.as_secs_f64())))
                .collect(),
        }
    }
}

/// Returns the time that the counts of a report cover.
pub(super) fn elapsed(report: &Report) -> Duration {
    (report.at - report.since).to_std().unwrap_or_default()
}

/// Returns a count a second, to a thousandth.
pub(super) fn rate(count: u64, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 { (count as f64 / seconds * 1e3).round() / 1e3 } else { 0.0 }
}
