//! The schedule of operations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::args::Pace;

/// Hands out the operations of a load until its time is up.
pub(super) struct Schedule {
    pace: Pace,
    begun: Instant,
    end: Instant,
    /// In an open loop, a permit for each operation that is due and not begun; closed at the end.
    due: Semaphore,
    next: AtomicU64,
}

impl Schedule {
    pub(super) fn new(pace: Pace, lasts: Duration) -> Arc<Self> {
        let begun = Instant::now();
        let (due, next) = (Semaphore::new(0), AtomicU64::new(0));
        let schedule = Arc::new(Self { pace, begun, end: begun + lasts, due, next });
        if matches!(pace, Pace::Open(_)) {
            // Tokio's timer has a resolution of a millisecond, which would add to each latency; a thread's sleep
            // does not.
            let ticking = Arc::downgrade(&schedule);
            thread::spawn(move || tick(&ticking));
        }
        schedule
    }

    /// Returns the time at which the load began.
    pub(super) fn begun(&self) -> Instant {
        self.begun
    }

    /// Waits until the next operation is due. Returns the time from which its latency counts; `None` at the end.
    pub(super) async fn next(&self) -> Option<Instant> {
        match self.pace {
            Pace::Closed => Some(Instant::now()).filter(|now| *now < self.end),
            Pace::Open(_) => {
                self.due.acquire().await.ok()?.forget();
                self.due(self.next.fetch_add(1, Ordering::Relaxed)).filter(|_| Instant::now() < self.end)
            }
        }
    }

    /// Returns the time at which an operation of an open loop is due; `None` if that is after the end.
    fn due(&self, number: u64) -> Option<Instant> {
        let Pace::Open(rate) = self.pace else { return None };
        let due = self.begun + Duration::from_secs_f64(number as f64 / f64::from(rate.get()));
        (due < self.end).then_some(due)
    }

    /// Returns the number of operations of an open loop that were due until now.
    pub(super) fn planned(&self) -> Option<u64> {
        let Pace::Open(rate) = self.pace else { return None };
        let lasted = Instant::now().min(self.end) - self.begun;
        Some((lasted.as_secs_f64() * f64::from(rate.get())).ceil() as u64)
    }
}

/// Adds a permit whenever an operation is due, as long as the load runs.
fn tick(schedule: &Weak<Schedule>) {
    for number in 0.. {
        let Some(running) = schedule.upgrade() else { return };
        let due = running.due(number);
        let until = due.unwrap_or(running.end);
        // Lets go of the schedule, so that the thread notices when the load is dropped.
        drop(running);
        thread::sleep(until.saturating_duration_since(Instant::now()));
        let Some(running) = schedule.upgrade() else { return };
        match due {
            Some(_) => running.due.add_permits(1),
            None => return running.due.close(),
        }
    }
}
