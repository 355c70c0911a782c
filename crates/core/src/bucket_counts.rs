//! The counts of a histogram of durations, without its empty buckets.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The counts of a histogram of durations: an inclusive upper bound in nanoseconds and a count for each bucket that is not
/// empty, ascending. Unlike quantiles they can be added and subtracted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BucketCounts(Vec<(u64, u64)>);

/// Summary of a duration histogram. Quantiles are at most an eighth too high.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DurationSummary {
    /// Number of recorded durations.
    pub count: u64,
    /// Sum of all durations.
    pub total: Duration,
    /// Median.
    pub p50: Duration,
    /// 95th percentile.
    pub p95: Duration,
    /// 99th percentile.
    pub p99: Duration,
    /// Longest duration.
    pub max: Duration,
}

impl BucketCounts {
    /// Adds a bucket above all others.
    pub(crate) fn push(&mut self, bound: u64, count: u64) {
        self.0.push((bound, count));
    }

    /// Returns whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of durations.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| *count).fold(0, u64::saturating_add)
    }

    /// Adds the counts of another histogram.
    pub fn add(&mut self, other: &Self) {
        for &(bound, count) in &other.0 {
            match self.0.binary_search_by_key(&bound, |(own, _)| *own) {
                Ok(index) => self.0[index].1 = self.0[index].1.saturating_add(count),
                Err(index) => self.0.insert(index, (bound, count)),
            }
        }
    }

    /// Returns what was counted since an earlier moment of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut before = earlier.0.iter().peekable();
        let counts = self.0.iter().filter_map(|&(bound, count)| {
            while before.next_if(|(earlier, _)| *earlier < bound).is_some() {}
            let counted = before.next_if(|(earlier, _)| *earlier == bound).map_or(0, |(_, count)| *count);
            Some((bound, count.saturating_sub(counted))).filter(|(_, count)| *count > 0)
        });
        Self(counts.collect())
    }

    /// Returns the summary. Each quantile is the upper bound of its bucket and at most `longest`.
    pub fn summary(&self, total: Duration, longest: Duration) -> DurationSummary {
        let count = self.count();
        let capped = |bound: u64| Duration::from_nanos(bound).min(longest);
        let at = |quantile: f64| {
            let rank = ((quantile * count as f64).ceil() as u64).max(1);
            let mut seen = 0_u64;
            let bucket = self.0.iter().find(|(_, count)| {
                seen = seen.saturating_add(*count);
                seen >= rank
            });
            bucket.map_or(Duration::ZERO, |(bound, _)| capped(*bound))
        };
        DurationSummary {
            count,
            total,
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            max: self.0.last().map_or(Duration::ZERO, |(bound, _)| capped(*bound)),
        }
    }
}
