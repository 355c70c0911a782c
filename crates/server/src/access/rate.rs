//! The rate of a token.

use std::time::{Duration, Instant};

/// A bucket that fills at a rate and holds what one second brings. Kept as the time at which it will be full (GCRA, as in
/// ITU-T I.371).
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    interval: Duration,
    full_at: Instant,
}

impl Rate {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self { interval: Duration::from_secs(1) / per_second.max(1), full_at: now }
    }

    /// Takes one request out; the time until there is one again if the bucket is empty.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let next = self.full_at.max(now) + self.interval;
        let ahead = next - now;
        let burst = Duration::from_secs(1).max(self.interval);
        if ahead > burst {
            return Err(ahead - burst);
        }
        self.full_at = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_takes_what_one_second_brings_and_then_waits_for_the_next() {
        let start = Instant::now();
        let mut rate = Rate::new(4, start);
        for _ in 0..4 {
            assert_eq!(rate.take(start), Ok(()));
        }
        assert_eq!(rate.take(start), Err(Duration::from_millis(250)));
        assert_eq!(rate.take(start + Duration::from_millis(250)), Ok(()));
        assert_eq!(rate.take(start + Duration::from_millis(250)), Err(Duration::from_millis(250)));
    }
}
