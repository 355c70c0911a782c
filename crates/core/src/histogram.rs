//! Lock-free histograms with fixed buckets.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::bucket_counts::BucketCounts;
pub use crate::bucket_counts::DurationSummary;

/// Upper bounds of the buckets within a decade, in hundredths. No bucket is wider than an eighth of its lower
/// bound. 1 and 5 are among the bounds, so that buckets add up exactly to the coarser ones of the exported
/// metrics (0.05, 0.1, 0.5, 1 …).
const DECADE: [u64; 20] =
    [100, 112, 125, 140, 157, 176, 198, 222, 249, 280, 315, 354, 398, 447, 500, 560, 630, 708, 796, 895];
/// The decades covered: from a microsecond to a thousand seconds, as powers of ten nanoseconds.
const MIN_POWER: u32 = 3;
const MAX_POWER: u32 = 12;

static TIMES: LazyLock<Box<[u64]>> = LazyLock::new(|| {
    let decades = MIN_POWER..MAX_POWER;
    let bounds = decades.flat_map(|power| DECADE.map(|step| step * 10_u64.pow(power - 2)));
    bounds.chain([10_u64.pow(MAX_POWER)]).collect()
});

/// A histogram. Recording takes three atomic operations and no lock.
#[derive(Debug)]
pub struct Histogram {
    /// Inclusive upper bounds of all buckets except the last.
    bounds: &'static [u64],
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
    max: AtomicU64,
}

impl Histogram {
    /// Creates a histogram with custom buckets. `bounds` are their inclusive upper bounds, ascending.
    pub fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
            max: AtomicU64::new(0),
        }
    }

    /// Creates a histogram of durations, recorded in nanoseconds from 1 µs to 1,000 s.
    pub fn times() -> Self {
        Self::new(&TIMES)
    }

    /// Records a value in the unit of the bounds.
    pub fn record(&self, number: u64) {
        let bucket = self.bounds.partition_point(|&bound| bound < number);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(number, Ordering::Relaxed);
        if self.max.load(Ordering::Relaxed) < number {
            self.max.fetch_max(number, Ordering::Relaxed);
        }
    }

    /// Records a duration, in nanoseconds.
    pub fn record_time(&self, time: Duration) {
        self.record(time.as_nanos() as u64);
    }

    /// Returns the sum of all recorded values.
    pub fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }

    /// Returns the counts without the empty buckets, the sum and the highest value, and adds all of them to `total`, which has
    /// the same bounds.
    pub fn sparse_into(&self, total: &mut Counted) -> (BucketCounts, u64, u64) {
        let mut counts = BucketCounts::default();
        for (index, bucket) in self.buckets.iter().enumerate() {
            let count = bucket.load(Ordering::Relaxed);
            if count > 0 {
                counts.push(bound(self.bounds, index), count);
                total.buckets[index] += count;
            }
        }
        let (sum, max) = (self.sum(), self.max.load(Ordering::Relaxed));
        total.sum += sum;
        total.max = total.max.max(max);
        (counts, sum, max)
    }

    /// Returns a copy of the current counts.
    pub fn counts(&self) -> Counted {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counted {
            bounds: self.bounds,
            buckets: self.buckets.iter().map(load).collect(),
            sum: load(&self.sum),
            max: load(&self.max),
        }
    }
}

/// The counts of a histogram at one moment. Counts with the same bounds can be added.
#[derive(Clone, Debug)]
pub struct Counted {
    bounds: &'static [u64],
    buckets: Vec<u64>,
    /// Sum of all recorded values.
    pub sum: u64,
    max: u64,
}

/// Returns the inclusive upper bound of a bucket; the last one has none.
fn bound(bounds: &[u64], bucket: usize) -> u64 {
    bounds.get(bucket).copied().unwrap_or(u64::MAX)
}

impl Counted {
    /// Returns the counts without the empty buckets.
    pub fn sparse(&self) -> BucketCounts {
        let mut counts = BucketCounts::default();
        for (index, &count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            counts.push(bound(self.bounds, index), count);
        }
        counts
    }

    /// Returns the highest recorded value.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Returns the number of recorded values.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Adds the counts of another histogram with the same bounds.
    pub fn add(&mut self, other: &Self) {
        for (into, from) in self.buckets.iter_mut().zip(&other.buckets) {
            *into += from;
        }
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// Returns the counts between coarser bounds, and above the last. Exact if those bounds are among this
    /// histogram's own.
    pub fn between(&self, coarser: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut seen = 0;
        let mut counts: Vec<u64> = coarser
            .map(|bound| {
                let end = self.bounds.partition_point(|&own| own <= bound);
                let before = std::mem::replace(&mut seen, self.buckets[..end].iter().sum());
                seen - before
            })
            .collect();
        counts.push(self.count() - seen);
        counts
    }

    /// Returns the summary. Each quantile is the upper bound of its bucket, so at most an eighth too high.
    pub fn times(&self) -> DurationSummary {
        let longest = Duration::from_nanos(self.max);
        let summary = self.sparse().summary(Duration::from_nanos(self.sum), longest);
        DurationSummary { max: longest, ..summary }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn recorded(numbers: impl IntoIterator<Item = u64>) -> Counted {
        let histogram = Histogram::times();
        numbers.into_iter().for_each(|number| histogram.record(number));
        histogram.counts()
    }

    proptest! {
        #[test]
        fn a_value_is_at_most_an_eighth_below_the_end_of_its_bucket(nanos in 1_000..1_000_000_000_000_u64) {
            let end = TIMES[TIMES.partition_point(|&bound| bound < nanos)];
            prop_assert!(end >= nanos);
            prop_assert!(end - nanos <= nanos / 8, "{nanos} is in the bucket up to {end}");
        }

        #[test]
        fn coarser_buckets_count_the_same_values(
            numbers in prop::collection::vec(0..20_000_000_000_u64, 0..100),
        ) {
            let bounds = [10_000, 500_000, 1_000_000, 5_000_000, 50_000_000, 1_000_000_000, 10_000_000_000];
            let mut expected = vec![0; bounds.len() + 1];
            for number in &numbers {
                expected[bounds.partition_point(|bound| bound < number)] += 1;
            }
            prop_assert_eq!(recorded(numbers).between(bounds.into_iter()), expected);
        }

        #[test]
        fn histograms_add_up(left in prop::collection::vec(0..u64::from(u32::MAX), 0..50), right in prop::collection::vec(0..u64::from(u32::MAX), 0..50)) {
            let mut sum = recorded(left.clone());
            sum.add(&recorded(right.clone()));
            prop_assert_eq!(sum.times(), recorded(left.into_iter().chain(right)).times());
        }
    }

    #[test]
    fn quantiles_match_the_recorded_values() {
        let times = recorded((1..=100).map(|micros| micros * 1_000)).times();
        assert_eq!(times.count, 100);
        assert_eq!(times.total, Duration::from_micros(5_050));
        assert!((50..=57).contains(&times.p50.as_micros()), "{times:?}");
        assert!((95..=100).contains(&times.p95.as_micros()), "{times:?}");
        assert!((99..=100).contains(&times.p99.as_micros()), "{times:?}");
        assert_eq!(times.max, Duration::from_micros(100));
    }

    #[test]
    fn an_empty_histogram_is_zero_and_long_durations_are_counted() {
        assert_eq!(recorded([]).times(), DurationSummary::default());
        let weeks = Duration::from_secs(86_400 * 365);
        let times = recorded([weeks.as_nanos() as u64]).times();
        assert_eq!((times.count, times.max), (1, weeks));
    }

    fn nanos() -> impl Strategy<Value = Vec<u64>> {
        // Beyond the last bound too.
        prop::collection::vec(0..2_000_000_000_000_u64, 0..80)
    }

    proptest! {
        #[test]
        fn what_was_counted_since_is_as_if_nothing_had_been_before(before in nanos(), after in nanos()) {
            let all = [before.clone(), after.clone()].concat();
            let since = recorded(all).sparse().since(&recorded(before).sparse());
            prop_assert_eq!(&since, &recorded(after.iter().copied()).sparse());
            prop_assert_eq!(since.count(), after.len() as u64);
        }

        #[test]
        fn counts_add_up(left in nanos(), right in nanos()) {
            let mut sum = recorded(left.clone()).sparse();
            sum.add(&recorded(right.clone()).sparse());
            prop_assert_eq!(sum, recorded([left, right].concat()).sparse());
        }

        #[test]
        fn quantiles_are_those_of_the_whole_histogram(nanos in nanos()) {
            let whole = recorded(nanos);
            let times = whole.times();
            prop_assert_eq!(whole.sparse().summary(times.total, times.max), times);
        }

        #[test]
        fn the_quantiles_of_an_interval_are_at_most_an_eighth_above_the_sorted_durations(
            before in prop::collection::vec(1_000..1_000_000_000_u64, 0..80),
            mut after in prop::collection::vec(1_000..1_000_000_000_u64, 1..80),
        ) {
            let all = recorded([before.clone(), after.clone()].concat());
            let since = all.sparse().since(&recorded(before).sparse());
            let summary = since.summary(Duration::from_nanos(after.iter().sum()), all.times().max);
            after.sort_unstable();
            for (quantile, found) in [(0.5, summary.p50), (0.95, summary.p95), (0.99, summary.p99), (1.0, summary.max)] {
                let exact = after[((quantile * after.len() as f64).ceil() as usize).max(1) - 1];
                let found = found.as_nanos() as u64;
                prop_assert!(exact <= found && found - exact <= exact / 8, "{quantile}: {exact}, {found}");
            }
        }
    }

    #[test]
    fn counts_of_nothing_are_empty() {
        let nothing = recorded([]).sparse();
        assert!(nothing.is_empty() && nothing.count() == 0);
        assert_eq!(nothing.summary(Duration::ZERO, Duration::ZERO), DurationSummary::default());
    }
}
