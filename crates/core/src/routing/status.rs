//! Node status, as data.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::seconds;

/// The role of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NodeRole {
    /// Accepts writes.
    Primary,
    /// Replays the primary's log and serves reads.
    Replica,
    /// Not reached yet.
    Unknown,
}

/// The health of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NodeState {
    /// Answers; a replica is also fresh enough for ordinary reads.
    Up,
    /// A replica that answers but exceeds the staleness bound of ordinary reads.
    Lagging,
    /// Missed one probe, failed a read, or is only known to be alive. A replica gets no new reads until the
    /// next probe.
    Suspect,
    /// Not used; probed at growing intervals.
    Down,
}

impl NodeRole {
    /// Returns the role of a server that was reached, from whether it is a standby.
    pub(super) fn from_standby(standby: bool) -> Self {
        if standby { NodeRole::Replica } else { NodeRole::Primary }
    }

    /// Returns the lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            NodeRole::Primary => "primary",
            NodeRole::Replica => "replica",
            NodeRole::Unknown => "unknown",
        }
    }
}

impl NodeState {
    /// Returns the lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            NodeState::Up => "up",
            NodeState::Lagging => "lagging",
            NodeState::Suspect => "suspect",
            NodeState::Down => "down",
        }
    }
}

impl fmt::Display for NodeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The status of a node at one moment; see [`Database::nodes`](crate::Database::nodes). Durations are
/// serialized in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NodeStatus {
    /// Host and port, or `primary` if there is only one node.
    pub name: String,
    /// Current role.
    pub role: NodeRole,
    /// Current health.
    pub state: NodeState,
    /// Why the node is not up, or what is unusual about it; otherwise empty.
    pub reason: String,
    /// Time since the last change of role or state.
    #[serde(with = "seconds")]
    pub since: Duration,
    /// Distance of a replica from the end of the primary's log, in bytes.
    pub lag_bytes: Option<u64>,
    /// Staleness bound of a replica: it has every commit older than this. Measured by probes, so never finer
    /// than their interval.
    #[serde(with = "seconds::optional")]
    pub lag: Option<Duration>,
    /// Timeline of the log; each promotion increases it.
    pub timeline: Option<u32>,
    /// End of the primary's log, or a replica's replay position (`pg_lsn` as a number).
    pub position: Option<u64>,
    /// Size of SQLite's write-ahead log, in bytes. A long read keeps a log of more than 16 MiB from being
    /// truncated.
    #[serde(default)]
    pub log_bytes: Option<u64>,
    /// Round-trip time of the last probe.
    #[serde(with = "seconds::optional")]
    pub latency: Option<Duration>,
    /// Sessions opened on the node, reads and writes.
    pub served: u64,
    /// Reads that failed here and moved to another node.
    pub fallbacks: u64,
    /// Connections in use plus callers waiting for one.
    pub in_flight: usize,
    /// Relative share of reads; `weight` in the node's URL, by default 1.
    pub weight: u32,
    /// Zone of the node, if its URL names one.
    pub zone: Option<String>,
}
