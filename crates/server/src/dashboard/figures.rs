//! The figures of a statement over some time.

use std::time::Duration;

use tallybook::{BucketCounts, StatementReport};

/// The figures of a statement over some time. They add up.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) calls: u64,
    pub(super) errors: u64,
    pub(super) rows: u64,
    pub(super) total: Duration,
    pub(super) longest: Duration,
    pub(super) buckets: BucketCounts,
}

impl Figures {
    /// Returns those of a statement of a report.
    pub(super) fn of(statement: &StatementReport) -> Self {
        Self {
            calls: statement.calls,
            errors: statement.errors(),
            rows: statement.rows,
            total: statement.times.total,
            longest: statement.times.max,
            buckets: statement.times.buckets.clone(),
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.errors = self.errors.saturating_add(other.errors);
        self.rows = self.rows.saturating_add(other.rows);
        self.total = self.total.saturating_add(other.total);
        self.longest = self.longest.max(other.longest);
        self.buckets.add(&other.buckets);
    }

    /// Returns p50, p95 and p99 in seconds; `None` if nothing was measured.
    pub(super) fn quantiles(&self) -> [Option<f64>; 3] {
        let summary = self.buckets.summary(Duration::ZERO, self.longest);
        let is_measured = !self.buckets.is_empty();
        [summary.p50, summary.p95, summary.p99].map(|time| is_measured.then_some(time.as_secs_f64()))
    }
}
