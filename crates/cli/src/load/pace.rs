//! When operations begin.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::args::Pace;

/// Hands out the operations of a load, until its time is up.
pub(super) struct Schedule {
    pace: Pace,
    begun: Instant,
    end: Instant,
    next: AtomicU64,
}

impl Schedule {
    pub(super) fn new(pace: Pace, lasts: Duration) -> Self {
        let begun = Instant::now();
        Self { pace, begun, end: begun + lasts, next: AtomicU64::new(0) }
    }

    /// Waits until the next operation is due; the moment from which its latency counts, or none at the end.
    pub(super) async fn next(&self) -> Option<Instant> {
        match self.pace {
            Pace::Closed => Some(Instant::now()).filter(|now| *now < self.end),
            Pace::Open(_) => {
                let due = self.due(self.next.fetch_add(1, Ordering::Relaxed))?;
                sleep_until(due).await;
                // One that is still waiting for its turn at the end was not begun.
                (Instant::now() < self.end).then_some(due)
            }
        }
    }

    /// When an operation is due; none if that is behind the end.
    fn due(&self, number: u64) -> Option<Instant> {
        let Pace::Open(rate) = self.pace else { return None };
        let due = self.begun + Duration::from_secs_f64(number as f64 / f64::from(rate.get()));
        (due < self.end).then_some(due)
    }

    /// The operations that were due until now.
    pub(super) fn planned(&self) -> Option<u64> {
        let Pace::Open(rate) = self.pace else { return None };
        let lasted = Instant::now().min(self.end) - self.begun;
        Some((lasted.as_secs_f64() * f64::from(rate.get())).ceil() as u64)
    }
}
