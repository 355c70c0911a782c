//! The findings of a node's checks, and the facts that are compared with other nodes.

use tallybook_sql::Row;

use super::finding::Finding;
use super::node::{Node, NodeConfig};

/// Results collected from a node. They survive when the time limit ends the checks.
pub(super) struct NodeReport {
    pub(super) node: Node,
    pub(super) findings: Vec<Finding>,
    /// The finding that explains why it was not reached.
    pub(super) failure: Option<Finding>,
    /// Facts compared with other nodes; `None` for SQLite and unreached servers.
    pub(super) peer_facts: Option<PeerFacts>,
    /// Use of its large indexes.
    pub(super) indexes: Vec<IndexUse>,
}

/// Facts that are compared with other nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct PeerFacts {
    pub(crate) version: i64,
    /// For a standby: seconds since its last replayed transaction.
    pub(crate) replayed_age: Option<i64>,
    /// For a standby: bytes received and not replayed.
    pub(crate) waiting: i64,
    /// For a standby: set if it is delayed on purpose.
    pub(crate) is_delayed: bool,
    /// For a standby: its replication slot.
    pub(crate) slot: Option<String>,
    /// For a primary: the standbys that stream from it.
    pub(crate) streams: Vec<Stream>,
    /// Connections available to programs.
    pub(crate) connections: i64,
    pub(crate) wal_level: String,
}

/// A standby that streams from a primary.
#[derive(Clone, Debug, Row)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) state: String,
    pub(crate) slot: String,
}

/// A large non-unique index, and how often this node read it.
#[derive(Clone, Debug, Row)]
pub(crate) struct IndexUse {
    pub(crate) name: String,
    pub(crate) bare: String,
    pub(crate) of_table: String,
    pub(crate) bytes: i64,
    pub(crate) scans: i64,
    pub(crate) since: String,
}

impl NodeReport {
    pub(super) fn new(config: &NodeConfig) -> Self {
        Self {
            node: config.node(),
            findings: Vec::new(),
            failure: None,
            peer_facts: None,
            indexes: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, finding: Finding) {
        let finding = finding.at(&self.node.node);
        self.findings.push(finding);
    }
}
