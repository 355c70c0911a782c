//! What a pool did, counted without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::status::{Closed, Totals};
use crate::error::Step;
use crate::histogram::Histogram;

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// More than the pool keeps.
    Overflow,
    /// Older than `DB_POOL_RECYCLE`.
    Recycled,
    /// It did not answer a ping.
    PingFailed,
    /// It broke.
    Lost,
    /// Its server turned out to be read only: a standby, after a failover.
    ReadOnlyServer,
    /// What was abandoned on it could not be undone.
    Unclean,
    /// A statement on it was cancelled: the request may arrive late and hit another.
    Cancelled,
    /// A session left something on it that only a new connection is free of.
    SessionState,
    /// The pool was closed, or what was at rest in it.
    PoolClosed,
}

impl CloseReason {
    /// All reasons.
    pub const ALL: [Self; 9] = [
        Self::Overflow,
        Self::Recycled,
        Self::PingFailed,
        Self::Lost,
        Self::ReadOnlyServer,
        Self::Unclean,
        Self::Cancelled,
        Self::SessionState,
        Self::PoolClosed,
    ];

    /// In a word or two, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::Recycled => "recycled",
            Self::PingFailed => "ping failed",
            Self::Lost => "lost",
            Self::ReadOnlyServer => "read-only server",
            Self::Unclean => "unclean",
            Self::Cancelled => "cancelled",
            Self::SessionState => "session state",
            Self::PoolClosed => "pool closed",
        }
    }
}

const STEPS: [Step; 3] = [Step::Waiting, Step::Connecting, Step::Pinging];

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

    pub(super) fn timed_out(&self, step: Step) {
        self.timeouts[step as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn totals(&self) -> Totals {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Totals {
            created: load(&self.created),
            closed: Closed(std::array::from_fn(|index| load(&self.closed[index]))),
            refused: load(&self.refused),
            timeouts_waiting: load(&self.timeouts[Step::Waiting as usize]),
            timeouts_connecting: load(&self.timeouts[Step::Connecting as usize]),
            timeouts_pinging: load(&self.timeouts[Step::Pinging as usize]),
            wait: self.wait.counts().times(),
            connect: self.connect.counts().times(),
            hold: self.hold.counts().times(),
        }
    }
}
