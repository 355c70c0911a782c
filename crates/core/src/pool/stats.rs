//! Lock-free counters of a pool.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tallybook_sql::error::AcquireStep;

use super::close_reason::{CloseReason, Closed};
use super::status::PoolTotals;
use crate::histogram::Histogram;

const STEPS: [AcquireStep; 3] = [AcquireStep::Waiting, AcquireStep::Connecting, AcquireStep::Pinging];

pub(super) struct Stats {
    pub(super) wait: Histogram,
    pub(super) hold: Histogram,
    pub(super) connect: Histogram,
    created: AtomicU64,
    refused: AtomicU64,
    closed: [AtomicU64; CloseReason::ALL.len()],
    timeouts: [AtomicU64; STEPS.len()],
}

impl Stats {
    pub(super) fn new() -> Self {
        Self {
            wait: Histogram::times(),
            hold: Histogram::times(),
            connect: Histogram::times(),
            created: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            closed: Default::default(),
            timeouts: Default::default(),
        }
    }

    pub(super) fn connected(&self, took: Duration) {
        self.created.fetch_add(1, Ordering::Relaxed);
        self.connect.record_time(took);
    }

    pub(super) fn closed(&self, reason: CloseReason) {
        self.closed[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn timed_out(&self, step: AcquireStep) {
        self.timeouts[step as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn totals(&self) -> PoolTotals {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        PoolTotals {
            created: load(&self.created),
            closed: Closed(std::array::from_fn(|index| load(&self.closed[index]))),
            refused: load(&self.refused),
            timeouts_waiting: load(&self.timeouts[AcquireStep::Waiting as usize]),
            timeouts_connecting: load(&self.timeouts[AcquireStep::Connecting as usize]),
            timeouts_pinging: load(&self.timeouts[AcquireStep::Pinging as usize]),
            wait: self.wait.counts().times(),
            connect: self.connect.counts().times(),
            hold: self.hold.counts().times(),
        }
    }
}
