//! Metrics of the nodes.

use super::status::NodeStatus;
use crate::metrics::{AttributeSet, Data, Definition, Metric, Point};

const NODE: &str = "tallybook.node.name";
const ROLE: &str = "tallybook.node.role";
const STATE: &str = "tallybook.node.state";
const OF_NODE: AttributeSet = AttributeSet { required: &[NODE], optional: &[] };
const OF_ALL: AttributeSet = AttributeSet { required: &[], optional: &[] };

const NODES: Definition<i64> = Definition {
    name: "tallybook.nodes",
    instrument: Data::UpDownCounter,
    unit: "{node}",
    description: "Servers by role and state.",
    attributes: AttributeSet { required: &[NODE, ROLE, STATE], optional: &[] },
};
const LAG: Definition<f64> = Definition {
    name: "tallybook.node.lag",
    instrument: Data::Gauge,
    unit: "s",
    description: "Staleness of a replica: it has every commit older than this.",
    attributes: OF_NODE,
};
const LAG_BYTES: Definition<f64> = Definition {
    name: "tallybook.node.lag.size",
    instrument: Data::Gauge,
    unit: "By",
    description: "Distance of a replica from the end of the primary's log.",
    attributes: OF_NODE,
};
const LOG_BYTES: Definition<f64> = Definition {
    name: "tallybook.node.wal.size",
    instrument: Data::Gauge,
    unit: "By",
    description: "Size of SQLite's write-ahead log, which a long read keeps from being truncated.",
    attributes: OF_NODE,
};
const LATENCY: Definition<f64> = Definition {
    name: "tallybook.node.latency",
    instrument: Data::Gauge,
    unit: "s",
    description: "Round-trip time of the latest probe of a server.",
    attributes: OF_NODE,
};
const SESSIONS: Definition<u64> = Definition {
    name: "tallybook.node.sessions",
    instrument: Data::Counter,
    unit: "{session}",
    description: "Sessions opened on a server.",
    attributes: OF_NODE,
};
const FALLBACKS: Definition<u64> = Definition {
    name: "tallybook.node.fallbacks",
    instrument: Data::Counter,
    unit: "{read}",
    description: "Reads that failed on a server and moved to another one.",
    attributes: OF_NODE,
};
const REFUSED: Definition<u64> = Definition {
    name: "tallybook.reads.refused",
    instrument: Data::Counter,
    unit: "{read}",
    description: "Reads without a fit replica that were refused to protect the primary.",
    attributes: OF_ALL,
};
const DOUBTFUL: Definition<u64> = Definition {
    name: "tallybook.transactions.doubtful",
    instrument: Data::Counter,
    unit: "{transaction}",
    description: "Transactions that a primary acknowledged and its successor may lack.",
    attributes: OF_ALL,
};

/// Returns the size of SQLite's write-ahead log, if the database has one.
pub(super) fn log_size(nodes: &[NodeStatus]) -> Vec<Metric> {
    let point = |node: &NodeStatus| Some(Point::new(node.log_bytes? as f64).with(NODE, node.name.clone()));
    let points: Vec<_> = nodes.iter().filter_map(point).collect();
    if points.is_empty() { Vec::new() } else { vec![LOG_BYTES.metric(points)] }
}

/// Returns all metrics of several nodes.
pub(super) fn metrics(nodes: &[NodeStatus], refused: u64, doubtful: u64) -> Vec<Metric> {
    let count = |node: &NodeStatus| {
        let NodeStatus { name, role, state, .. } = node;
        Point::new(1).with(NODE, name.clone()).with(ROLE, role.as_str()).with(STATE, state.as_str())
    };
    let known = |value: fn(&NodeStatus) -> Option<f64>| {
        let point = |node: &NodeStatus| Some(Point::new(value(node)?).with(NODE, node.name.clone()));
        nodes.iter().filter_map(point).collect::<Vec<_>>()
    };
    let total = |value: fn(&NodeStatus) -> u64| {
        nodes.iter().map(|node| Point::new(value(node)).with(NODE, node.name.clone())).collect::<Vec<_>>()
    };
    vec![
        NODES.metric(nodes.iter().map(count).collect()),
        LAG.metric(known(|node| Some(node.lag?.as_secs_f64()))),
        LAG_BYTES.metric(known(|node| Some(node.lag_bytes? as f64))),
        LATENCY.metric(known(|node| Some(node.latency?.as_secs_f64()))),
        SESSIONS.metric(total(|node| node.served)),
        FALLBACKS.metric(total(|node| node.fallbacks)),
        REFUSED.metric(vec![Point::new(refused)]),
        DOUBTFUL.metric(vec![Point::new(doubtful)]),
    ]
}
