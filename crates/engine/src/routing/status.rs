//! Nodes, as data.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::seconds;

/// What a node is known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NodeRole {
    /// It takes writes.
    Primary,
    /// It replays the primary's log and answers reads.
    Replica,
    /// It was not reached yet.
    Unknown,
}

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NodeState {
    /// It answers, and a replica is fresh enough for the usual reads.
    Up,
    /// A replica that answers and is too far behind for the usual reads.
    Lagging,
    /// It did not answer once, a read failed on it, or it is known to be alive and no more: a replica gets no new reads
    /// until it was asked again.
    Suspect,
    /// It is not used, but asked again at growing intervals.
    Down,
}

impl NodeRole {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            NodeRole::Primary => "primary",
            NodeRole::Replica => "replica",
            NodeRole::Unknown => "unknown",
        }
    }
}

impl NodeState {
    /// In a word.
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

/// A node at one moment; see [`Database::nodes`](crate::Database::nodes). Times are in seconds when it is serialised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NodeStatus {
    /// Host and port, or `primary` where there is one node.
    pub name: String,
    /// What it is.
    pub role: NodeRole,
    /// How it is.
    pub state: NodeState,
    /// Why it is not up, or what is odd about it; empty where there is nothing to say.
    pub reason: String,
    /// For how long it has been so.
    #[serde(with = "seconds")]
    pub since: Duration,
    /// How far a replica is behind the primary's log, in bytes.
    pub lag_bytes: Option<u64>,
    /// A replica has everything that was committed before this long ago. It is not known more exactly than the nodes
    /// are asked.
    #[serde(with = "seconds::optional")]
    pub lag: Option<Duration>,
    /// The timeline of its log, which goes up with each promotion.
    pub timeline: Option<u32>,
    /// How far its log has come, or was replayed (`pg_lsn` as a number).
    pub position: Option<u64>,
    /// The size of SQLite's write-ahead log, in bytes. Past 16 MiB a read that does not end keeps it from being moved into the
    /// file.
    #[serde(default)]
    pub log_bytes: Option<u64>,
    /// How long it took to answer the last question.
    #[serde(with = "seconds::optional")]
    pub latency: Option<Duration>,
    /// Sessions that it was given, of reads and of writes.
    pub served: u64,
    /// Reads that failed on it and went to another node.
    pub fallbacks: u64,
    /// Connections lent and callers waiting for one.
    pub in_flight: usize,
    /// Its share of the reads; the same for all unless its URL has `weight`.
    pub weight: u32,
    /// Where it stands, if its URL says.
    pub zone: Option<String>,
}
