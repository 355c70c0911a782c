//! Deadlines of callers that wait for a connection.

use std::time::{Duration, Instant};

/// The deadline of one caller. It is set once, when the wait begins, and bounds every step: choosing a
/// server, the primary's fallback budget, the queue, connecting and pinging.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AcquireDeadline {
    start: Instant,
    timeout: Duration,
    reserves_half: bool,
}

impl AcquireDeadline {
    /// Creates a deadline that starts now.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self { start: Instant::now(), timeout, reserves_half: false }
    }

    /// Reserves time for another server: connecting takes at most half of the time that is left.
    pub(crate) fn reserving_half(self) -> Self {
        Self { reserves_half: true, ..self }
    }

    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    pub(crate) fn end(&self) -> Instant {
        self.start + self.timeout
    }

    /// Returns the time by which a connect or ping that starts now must finish.
    pub(super) fn connect_end(&self) -> Instant {
        let left = self.end().saturating_duration_since(Instant::now());
        self.end() - if self.reserves_half { left / 2 } else { Duration::ZERO }
    }

    /// Returns the full timeout, for messages.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn is_over(&self) -> bool {
        self.start.elapsed() >= self.timeout
    }
}

/// The total time that one call may spend waiting for connections, over several waits.
#[derive(Debug)]
pub(crate) struct AcquireBudget {
    left: Duration,
}

impl AcquireBudget {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { left: timeout }
    }

    /// Returns the deadline of the next wait.
    pub(crate) fn deadline(&self) -> AcquireDeadline {
        AcquireDeadline::after(self.left)
    }

    /// Subtracts a wait that ended now.
    pub(crate) fn spend(&mut self, deadline: AcquireDeadline) {
        self.left = self.left.saturating_sub(deadline.start.elapsed());
    }
}
