//! Times, counted in buckets without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Sub-buckets of each power of two: a bucket is at most an eighth wider than its lower end.
const STEPS: u64 = 8;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Up to 2^40 microseconds, which is twelve days.
const LARGEST_POWER: u32 = 40;
const BUCKETS: usize = ((LARGEST_POWER - STEP_BITS + 2) as usize) * STEPS as usize;

/// A histogram of microseconds in logarithmic buckets with linear steps, as HdrHistogram has them; recording is
/// one atomic addition.
pub(crate) struct Histogram {
    buckets: Box<[AtomicU64]>,
}

/// What a histogram holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Times {
    /// How many were recorded.
    pub count: u64,
    /// Half of them took no longer.
    pub p50: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// None took longer.
    pub max: Duration,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect() }
    }

    pub(crate) fn record(&self, time: Duration) {
        self.buckets[bucket(time.as_micros() as u64)].fetch_add(1, Ordering::Relaxed);
    }

    /// The quantiles, each up to an eighth too high: the upper end of its bucket.
    pub(crate) fn times(&self) -> Times {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let count = counts.iter().sum();
        let at = |quantile: f64| {
            let rank = (quantile * count as f64).ceil() as u64;
            let mut seen = 0;
            let index = counts.iter().position(|count| {
                seen += count;
                seen >= rank.max(1)
            });
            Duration::from_micros(index.map_or(0, highest))
        };
        Times { count, p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

fn bucket(micros: u64) -> usize {
    let micros = micros.min((1 << LARGEST_POWER) - 1);
    if micros < STEPS {
        return micros as usize;
    }
    let power = micros.ilog2();
    let step = (micros >> (power - STEP_BITS)) & (STEPS - 1);
    ((power - STEP_BITS + 1) as usize) * STEPS as usize + step as usize
}

/// The highest number of a bucket.
fn highest(bucket: usize) -> u64 {
    let (group, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    match group.checked_sub(1) {
        None => step,
        Some(shift) => ((STEPS + step + 1) << shift) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_lies_in_its_bucket_and_no_eighth_below_its_end(micros in 0..(1_u64 << LARGEST_POWER)) {
            let highest = highest(bucket(micros));
            prop_assert!(highest >= micros);
            prop_assert!(highest - micros <= micros / STEPS);
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let histogram = Histogram::new();
        for micros in 1..=100 {
            histogram.record(Duration::from_micros(micros));
        }
        let times = histogram.times();
        assert_eq!(times.count, 100);
        assert!((50..=57).contains(&times.p50.as_micros()), "{times:?}");
        assert!((99..=112).contains(&times.p99.as_micros()), "{times:?}");
        assert!((100..=112).contains(&times.max.as_micros()), "{times:?}");
    }

    #[test]
    fn nothing_recorded_is_zero_and_weeks_are_not_lost() {
        let histogram = Histogram::new();
        assert_eq!(histogram.times(), Times::default());
        histogram.record(Duration::from_secs(86_400 * 365));
        assert_eq!(histogram.times().count, 1);
    }
}
