//! Durations with their percentiles.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tallybook_core::histogram::{Counted, DurationSummary};
use tallybook_core::{BucketCounts, seconds};

/// Percentiles, each at most an eighth too high.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DurationReport {
    /// Number of measurements.
    pub count: u64,
    /// Sum of all measurements.
    #[serde(with = "seconds")]
    pub total: Duration,
    /// Median.
    #[serde(with = "seconds")]
    pub p50: Duration,
    /// 95th percentile.
    #[serde(with = "seconds")]
    pub p95: Duration,
    /// 99th percentile.
    #[serde(with = "seconds")]
    pub p99: Duration,
    /// Maximum. Of a part of the time it is at most an eighth too high.
    #[serde(with = "seconds")]
    pub max: Duration,
    /// The measurements by duration, from which the percentiles of a part of the time follow. Empty in reports of versions
    /// without it.
    #[serde(default)]
    pub buckets: BucketCounts,
}

impl DurationReport {
    pub(super) fn new(summary: DurationSummary, buckets: BucketCounts) -> Self {
        let DurationSummary { count, total, p50, p95, p99, max } = summary;
        Self { count, total, p50, p95, p99, max, buckets }
    }

    pub(super) fn of(times: &Counted) -> Self {
        Self::new(times.times(), times.sparse())
    }

    /// Returns the measurements since an earlier moment, with their own percentiles. If one of the two reports has no buckets, the
    /// percentiles stay those of the whole time.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let count = self.count.saturating_sub(earlier.count);
        let total = self.total.saturating_sub(earlier.total);
        if !self.has_buckets() || !earlier.has_buckets() {
            return Self { count, total, ..self.clone() };
        }
        let buckets = self.buckets.since(&earlier.buckets);
        Self { count, ..Self::new(buckets.summary(total, self.max), buckets) }
    }

    /// Returns whether the percentiles of a part of the time can be computed: not if the report is of a version without buckets.
    pub fn has_buckets(&self) -> bool {
        self.count == 0 || !self.buckets.is_empty()
    }
}
