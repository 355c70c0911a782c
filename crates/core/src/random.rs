//! Random numbers for jitter and load balancing. Not for secrets.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::Range;
use std::time::Duration;

/// Returns a number from 0 to 1, from the random keys that the standard library draws for hash maps.
pub(crate) fn random() -> f64 {
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}

/// Returns `time` multiplied by a random factor of the range.
pub(crate) fn jittered(time: Duration, factors: Range<f64>) -> Duration {
    time.mul_f64(factors.start + (factors.end - factors.start) * random())
}
