//! A pool at one moment, and since it was opened.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::CloseReason;
use crate::histogram::{Counted, Times};

/// A snapshot of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Which pool: `primary`, or `readers` and `writer` on SQLite; where there are several servers, host and port.
    pub name: Arc<str>,
    /// The most connections it lends: size plus overflow.
    pub limit: usize,
    /// Connections lent, those being made or cleaned included.
    pub in_use: usize,
    /// Connections at rest.
    pub idle: usize,
    /// Connections above the number that is kept.
    pub overflow: usize,
    /// Callers waiting for one.
    pub waiting: usize,
    /// Whether the connection made last is encrypted; `None` on SQLite and before the first.
    pub encrypted: Option<bool>,
    /// The session that is held longest.
    pub longest: Option<Holder>,
    /// The last attempt to connect that failed: when, and why.
    pub last_failure: Option<(Instant, String)>,
    /// What happened since the pool was opened.
    pub totals: Totals,
}

/// Who holds a session, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// How long.
    pub held: Duration,
    /// The line of code that took it.
    pub at: &'static Location<'static>,
}

/// What a pool did since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Connections made.
    pub created: u64,
    /// Connections closed, by reason.
    pub closed: Closed,
    /// Callers refused because the queue was full.
    pub refused: u64,
    /// Callers who timed out waiting for a connection.
    pub timeouts_waiting: u64,
    /// Callers who timed out while one was made.
    pub timeouts_connecting: u64,
    /// Callers who timed out while one was checked.
    pub timeouts_pinging: u64,
    /// From asking for a session to having it.
    pub wait: Times,
    /// How long it took to connect.
    pub connect: Times,
    /// How long sessions were held.
    pub hold: Times,
}

/// A snapshot of a pool with its whole histograms.
pub(crate) struct PoolFigures {
    pub(crate) status: PoolStatus,
    /// Connections that are kept at rest.
    pub(crate) kept: usize,
    pub(crate) wait: Counted,
    pub(crate) connect: Counted,
    pub(crate) hold: Counted,
}

impl Totals {
    /// Callers who timed out, at whatever step.
    pub fn timeouts(&self) -> u64 {
        self.timeouts_waiting + self.timeouts_connecting + self.timeouts_pinging
    }
}

/// Numbers of closed connections by [`CloseReason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed(pub(super) [u64; CloseReason::ALL.len()]);

impl Closed {
    /// How many were closed for this reason.
    pub fn by(&self, reason: CloseReason) -> u64 {
        self.0[reason as usize]
    }

    /// How many were closed.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl PoolStatus {
    /// What someone who got no connection should know, in one line.
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

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the longest holder has had one for {:.1} s, taken at {}", self.held.as_secs_f64(), self.at)
    }
}
