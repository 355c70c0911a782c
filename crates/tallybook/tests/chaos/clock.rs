//! The clock of a test, as numbers that fit into a table.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Returns the microseconds since the first call.
pub(crate) fn micros() -> i64 {
    i64::try_from(START.elapsed().as_micros()).unwrap()
}

pub(crate) fn micros_of(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap()
}
