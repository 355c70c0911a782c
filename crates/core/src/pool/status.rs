//! Snapshots of a pool.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::close_reason::Closed;
use crate::histogram::{Counted, DurationSummary};

/// A snapshot of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Name: `primary`; `readers` or `writer` on SQLite; host and port if there are several servers.
    pub name: Arc<str>,
    /// Maximum number of open connections: size plus overflow.
    pub limit: usize,
    /// Connections in use, including those being opened or cleaned.
    pub in_use: usize,
    /// Idle connections.
    pub idle: usize,
    /// Open connections above the pool's size.
    pub overflow: usize,
    /// Callers waiting for a connection.
    pub waiting: usize,
    /// True if the most recent connection is encrypted; `None` on SQLite and before the first connection.
    pub encrypted: Option<bool>,
    /// The longest session that is open now.
    pub longest: Option<ConnectionHolder>,
    /// The most recent failure to connect: when and why.
    pub last_failure: Option<(Instant, String)>,
    /// Totals since the pool was opened.
    pub totals: PoolTotals,
}

/// A session that holds a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionHolder {
    /// Time since it acquired the connection.
    pub held: Duration,
    /// The line of code that opened it.
    pub at: &'static Location<'static>,
}

/// Totals of a pool since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolTotals {
    /// Connections opened.
    pub created: u64,
    /// Connections closed, by reason.
    pub closed: Closed,
    /// Callers refused because the queue was full.
    pub refused: u64,
    /// Callers that timed out in the queue.
    pub timeouts_waiting: u64,
    /// Callers that timed out while connecting.
    pub timeouts_connecting: u64,
    /// Callers that timed out while pinging an idle connection.
    pub timeouts_pinging: u64,
    /// Time from asking for a session to getting it.
    pub wait: DurationSummary,
    /// Time to open a connection.
    pub connect: DurationSummary,
    /// Time that sessions held a connection.
    pub hold: DurationSummary,
}

/// A snapshot of a pool with full histograms, for the metrics.
pub struct PoolMetrics {
    /// The snapshot.
    pub status: PoolStatus,
    /// Idle connections that the pool keeps; those beyond are closed after a second.
    pub kept: usize,
    /// Time that callers waited, in nanoseconds.
    pub wait: Counted,
    /// Time to open a connection, in nanoseconds.
    pub connect: Counted,
    /// Time that sessions held a connection, in nanoseconds.
    pub hold: Counted,
}

impl PoolTotals {
    /// Returns the callers that timed out at any step.
    pub fn timeouts(&self) -> u64 {
        self.timeouts_waiting + self.timeouts_connecting + self.timeouts_pinging
    }
}

impl PoolStatus {
    /// Describes the pool in one line, for the error of a caller that got no connection.
    pub(super) fn describe(&self) -> String {
        let Self { name, limit, in_use, idle, waiting, .. } = self;
        let mut text =
            format!("{in_use} of {limit} {name} connections in use, {idle} idle, {waiting} waiting");
        if let Some(holder) = &self.longest {
            text.push_str(&format!("; {holder}"));
        }
        if let Some((when, why)) = &self.last_failure {
            text.push_str(&format!(
                "; an attempt to connect failed {:.1} s ago: {why}",
                when.elapsed().as_secs_f64()
            ));
        }
        text
    }
}

impl fmt::Display for ConnectionHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the longest holder has had one for {:.1} s, taken at {}", self.held.as_secs_f64(), self.at)
    }
}
