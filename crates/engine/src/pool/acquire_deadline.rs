//! Until when a caller waits for a connection.

use std::time::{Duration, Instant};

/// The end of a caller's wait for a connection. It is set once, where the wait begins, and every step on the way ends
/// by it: the choice of a server, the primary's budget, the queue, connecting and checking.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AcquireDeadline {
    start: Instant,
    timeout: Duration,
    leaves_time: bool,
}

impl AcquireDeadline {
    /// The deadline of a wait that begins now.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self { start: Instant::now(), timeout, leaves_time: false }
    }

    /// The same deadline where another server may do as well: connecting takes at most half of the time that is left,
    /// so that the other one gets the rest.
    pub(crate) fn leaving_time(self) -> Self {
        Self { leaves_time: true, ..self }
    }

    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    pub(crate) fn end(&self) -> Instant {
        self.start + self.timeout
    }

    /// The moment by which connecting, or the check of a kept connection, ends if it begins now.
    pub(super) fn end_of_connect(&self) -> Instant {
        let left = self.end().saturating_duration_since(Instant::now());
        self.end() - if self.leaves_time { left / 2 } else { Duration::ZERO }
    }

    /// The whole time, for messages.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn is_over(&self) -> bool {
        self.start.elapsed() >= self.timeout
    }
}

/// The time that one call may spend on waiting for connections in all, whatever it does in between.
#[derive(Debug)]
pub(crate) struct AcquireBudget {
    left: Duration,
}

impl AcquireBudget {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { left: timeout }
    }

    /// The deadline of the next wait.
    pub(crate) fn deadline(&self) -> AcquireDeadline {
        AcquireDeadline::after(self.left)
    }

    /// Takes off a wait that ended now.
    pub(crate) fn spend(&mut self, deadline: AcquireDeadline) {
        self.left = self.left.saturating_sub(deadline.start.elapsed());
    }
}
