//! Idle connections beyond the size of the pool: they linger, and are closed once they were not needed for a
//! while.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::close_reason::CloseReason;
use super::core::Shared;

/// Time that an idle connection beyond the size stays open. A burst shorter than this opens each connection once,
/// and the server has its memory back a moment later.
pub(super) const LINGER: Duration = Duration::from_secs(1);

impl Shared {
    /// Closes idle connections beyond the size when their time has passed, in a task that ends with the last of
    /// them.
    pub(super) fn close_lingering(self: &Arc<Self>) {
        self.runtime.spawn(close_lingering(Arc::downgrade(self)));
    }
}

async fn close_lingering(shared: Weak<Shared>) {
    loop {
        let Some(pool) = shared.upgrade() else { return };
        let (expired, next) = pool.slots().take_lingering(pool.settings.size, Instant::now());
        for opened in expired {
            pool.discard(opened, CloseReason::Overflow);
        }
        let Some(next) = next else { return };
        drop(pool);
        tokio::time::sleep_until(next.into()).await;
    }
}

/// Returns how many idle connections have lingered long enough, and when to look again. `since` is when each became
/// idle, the longest idle first; the `size` that were used last stay.
pub(super) fn expired(since: &[Instant], size: usize, now: Instant) -> (usize, Option<Instant>) {
    let beyond = &since[..since.len().saturating_sub(size)];
    let count = beyond.iter().take_while(|since| **since + LINGER <= now).count();
    (count, beyond.get(count).map(|since| *since + LINGER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    #[test]
    fn those_within_the_size_stay_however_long_they_are_idle() {
        let start = Instant::now();
        assert_eq!(expired(&[start, start], 2, at(start, 60_000)), (0, None));
        assert_eq!(expired(&[], 0, start), (0, None));
    }

    #[test]
    fn those_beyond_the_size_linger_for_a_second_the_longest_idle_first() {
        let start = Instant::now();
        let since = [start, at(start, 200), at(start, 900), at(start, 950)];
        assert_eq!(expired(&since, 2, at(start, 999)), (0, Some(at(start, 1_000))));
        assert_eq!(expired(&since, 2, at(start, 1_000)), (1, Some(at(start, 1_200))));
        assert_eq!(expired(&since, 2, at(start, 5_000)), (2, None));
        assert_eq!(expired(&since, 0, at(start, 1_900)), (3, Some(at(start, 1_950))));
    }
}
