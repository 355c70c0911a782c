//! The state of a node's probing task between two probes.

use std::time::{Duration, Instant};

use super::backoff::backoff;
use crate::driver::Connection;

/// Pause between probes that learn nothing except that the node is alive.
const BLIND_INTERVAL: Duration = Duration::from_secs(1);
/// A connection that is idle for this long is closed.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// The connection for probes, and the reason if a live node has none.
#[derive(Default)]
pub(super) struct Watch {
    pub(super) connection: Option<Connection>,
    used: Option<Instant>,
    /// Since when there are connections that belong neither to the pool nor to the probe.
    others: Option<Instant>,
    problem: String,
    logged: String,
    failures: u32,
    /// The last probe learned nothing except that the node is alive.
    is_blind: bool,
    /// Earliest time of the next attempt to connect.
    retry_at: Option<Instant>,
}

/// A failed probe.
pub(super) struct ProbeFailure {
    pub(super) problem: String,
    pub(super) kind: FailureKind,
    /// The server refused the user, the password or the database.
    pub(super) is_login_refused: bool,
}

/// The meaning of a failed probe.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// It answers on other connections.
    Alive,
    /// The server refused the connection.
    Refused,
    /// No connection could be made.
    Unreachable,
    /// There was no answer in time.
    Silent,
}

impl Watch {
    /// Records a new connection.
    pub(super) fn connected(&mut self, connection: Connection) {
        *self = Self {
            connection: Some(connection),
            used: Some(Instant::now()),
            logged: std::mem::take(&mut self.logged),
            ..Self::default()
        };
    }

    /// Records a failure to connect to a node that is alive. Retrying at once would only burden it.
    pub(super) fn failed(&mut self, problem: &str, is_blind: bool) {
        self.connection = None;
        self.is_blind = is_blind;
        problem.clone_into(&mut self.problem);
        self.failures += 1;
        self.retry_at = Some(Instant::now() + backoff(self.failures));
    }

    /// Records that the node does not answer at all.
    pub(super) fn node_down(&mut self) {
        *self = Self { logged: std::mem::take(&mut self.logged), ..Self::default() };
    }

    /// Returns whether pooled connections are used before the next attempt to connect.
    pub(super) fn is_backing_off(&self) -> bool {
        self.retry_at.is_some_and(|retry_at| Instant::now() < retry_at)
    }

    /// Returns the pause before the next probe, if it is not the normal one.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.is_blind.then_some(BLIND_INTERVAL)
    }

    /// Returns whether unpooled connections have existed for `time`. Closed connections are counted for a
    /// moment longer, which the duration bridges.
    pub(super) fn has_unpooled_for(&mut self, time: Duration, open: usize, pooled: usize) -> bool {
        if open <= pooled + usize::from(self.connection.is_some()) {
            self.others = None;
            return false;
        }
        self.others.get_or_insert_with(Instant::now).elapsed() >= time
    }

    /// Closes the connection if there was nothing to probe for a while.
    pub(super) fn close_if_idle(&mut self) {
        if self.used.is_some_and(|used| used.elapsed() >= IDLE_LIMIT) {
            *self = Self::default();
        }
    }

    /// Returns why there is no connection; empty if there is one or none was needed.
    pub(super) fn problem(&self) -> &str {
        &self.problem
    }

    /// Returns the problem if it changed since the last call.
    pub(super) fn take_change(&mut self) -> Option<&str> {
        if let Some(used) = self.connection.as_ref().and(self.used.as_mut()) {
            *used = Instant::now();
        }
        // Only a new connection proves that the problem is solved.
        let is_reported = !self.problem.is_empty() || self.connection.is_some();
        (is_reported && self.problem != self.logged).then(|| {
            self.logged.clone_from(&self.problem);
            &*self.problem
        })
    }
}
