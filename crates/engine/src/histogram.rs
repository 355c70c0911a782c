//! Numbers, counted in buckets without a lock.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper ends of the buckets of a decade, in hundredths: a bucket is at most an eighth wider than its
/// lower end. 1 and 5 are among them, so that buckets add up exactly to the coarser ones of metrics (0.05, 0.1,
/// 0.5, 1 …).
const DECADE: [u64; 20] =
    [100, 112, 125, 140, 157, 176, 198, 222, 249, 280, 315, 354, 398, 447, 500, 560, 630, 708, 796, 895];
/// From a microsecond to a thousand seconds, in nanoseconds.
const SHORTEST_POWER: u32 = 3;
const LONGEST_POWER: u32 = 12;

static TIMES: LazyLock<Box<[u64]>> = LazyLock::new(|| {
    let decades = SHORTEST_POWER..LONGEST_POWER;
    let bounds = decades.flat_map(|power| DECADE.map(|step| step * 10_u64.pow(power - 2)));
    bounds.chain([10_u64.pow(LONGEST_POWER)]).collect()
});

/// A histogram; recording is three atomic operations.
#[derive(Debug)]
pub(crate) struct Histogram {
    /// The upper ends of all buckets but the last, each inclusive.
    bounds: &'static [u64],
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
    max: AtomicU64,
}

/// What a histogram of times holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Times {
    /// How many were recorded.
    pub count: u64,
    /// All together.
    pub total: Duration,
    /// Half of them took no longer.
    pub p50: Duration,
    /// 95 of 100 took no longer.
    pub p95: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// None took longer.
    pub max: Duration,
}

impl Histogram {
    /// A histogram with buckets of its own; `bounds` are their upper ends.
    pub(crate) fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
            max: AtomicU64::new(0),
        }
    }

    /// A histogram of times, kept in nanoseconds.
    pub(crate) fn times() -> Self {
        Self::new(&TIMES)
    }

    pub(crate) fn record(&self, number: u64) {
        let bucket = self.bounds.partition_point(|&bound| bound < number);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(number, Ordering::Relaxed);
        if self.max.load(Ordering::Relaxed) < number {
            self.max.fetch_max(number, Ordering::Relaxed);
        }
    }

    pub(crate) fn record_time(&self, time: Duration) {
        self.record(time.as_nanos() as u64);
    }

    /// What it holds now.
    pub(crate) fn counts(&self) -> Counted {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counted {
            bounds: self.bounds,
            buckets: self.buckets.iter().map(load).collect(),
            sum: load(&self.sum),
            max: load(&self.max),
        }
    }
}

/// What a histogram held at one moment. Several of the same bounds add up.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    bounds: &'static [u64],
    buckets: Vec<u64>,
    pub(crate) sum: u64,
    max: u64,
}

impl Counted {
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (into, from) in self.buckets.iter_mut().zip(&other.buckets) {
            *into += from;
        }
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// The counts between coarser bounds, and above them. Exact where these are among its own.
    pub(crate) fn between(&self, coarser: impl Iterator<Item = u64>) -> Vec<u64> {
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

    /// The quantiles, each up to an eighth too high: the upper end of its bucket.
    pub(crate) fn times(&self) -> Times {
        let count = self.count();
        let at = |quantile: f64| {
            let rank = ((quantile * count as f64).ceil() as u64).max(1);
            let mut seen = 0;
            let bucket = self.buckets.iter().position(|count| {
                seen += count;
                seen >= rank
            });
            let end = bucket.and_then(|bucket| self.bounds.get(bucket)).copied().unwrap_or(self.max);
            Duration::from_nanos(end.min(self.max))
        };
        Times {
            count,
            total: Duration::from_nanos(self.sum),
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            max: Duration::from_nanos(self.max),
        }
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
        fn a_number_lies_in_its_bucket_and_no_eighth_below_its_end(nanos in 1_000..1_000_000_000_000_u64) {
            let end = TIMES[TIMES.partition_point(|&bound| bound < nanos)];
            prop_assert!(end >= nanos);
            prop_assert!(end - nanos <= nanos / 8, "{nanos} is in the bucket up to {end}");
        }

        #[test]
        fn coarser_buckets_count_the_same_numbers(
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
    fn quantiles_are_those_of_what_was_recorded() {
        let times = recorded((1..=100).map(|micros| micros * 1_000)).times();
        assert_eq!(times.count, 100);
        assert_eq!(times.total, Duration::from_micros(5_050));
        assert!((50..=57).contains(&times.p50.as_micros()), "{times:?}");
        assert!((95..=100).contains(&times.p95.as_micros()), "{times:?}");
        assert!((99..=100).contains(&times.p99.as_micros()), "{times:?}");
        assert_eq!(times.max, Duration::from_micros(100));
    }

    #[test]
    fn nothing_recorded_is_zero_and_weeks_are_not_lost() {
        assert_eq!(recorded([]).times(), Times::default());
        let weeks = Duration::from_secs(86_400 * 365);
        let times = recorded([weeks.as_nanos() as u64]).times();
        assert_eq!((times.count, times.max), (1, weeks));
    }
}
