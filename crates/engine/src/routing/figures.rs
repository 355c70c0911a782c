//! The nodes as metrics.

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
    description: "A replica has everything that was committed before this long ago.",
    attributes: OF_NODE,
};
const LAG_BYTES: Definition<f64> = Definition {
    name: "tallybook.node.lag.size",
    instrument: Data::Gauge,
    unit: "By",
    description: "How far a replica is behind the primary's log.",
    attributes: OF_NODE,
};
const LOG_BYTES: Definition<f64> = Definition {
    name: "tallybook.node.wal.size",
    instrument: Data::Gauge,
    unit: "By",
    description: "The size of SQLite's write-ahead log, which a read that does not end lets grow.",
    attributes: OF_NODE,
};
const LATENCY: Definition<f64> = Definition {
    name: "tallybook.node.latency",
    instrument: Data::Gauge,
    unit: "s",
    description: "How long a server took to answer the last question of how it is.",
    attributes: OF_NODE,
};
const SESSIONS: Definition<u64> = Definition {
    name: "tallybook.node.sessions",
    instrument: Data::Counter,
    unit: "{session}",
    description: "Sessions that a server was given.",
    attributes: OF_NODE,
};
const FALLBACKS: Definition<u64> = Definition {
    name: "tallybook.node.fallbacks",
    instrument: Data::Counter,
    unit: "{read}",
    description: "Reads that failed on a server and went to another one.",
    attributes: OF_NODE,
};
const REFUSED: Definition<u64> = Definition {
    name: "tallybook.reads.refused",
    instrument: Data::Counter,
    unit: "{read}",
    description: "Reads that no replica was fit for and that were refused to spare the primary.",
    attributes: OF_ALL,
};
const DOUBTFUL: Definition<u64> = Definition {
    name: "tallybook.transactions.doubtful",
    instrument: Data::Counter,
    unit: "{transaction}",
    description: "Transactions that a primary acknowledged and its successor was not seen to have replayed.",
    attributes: OF_ALL,
};

/// The size of SQLite's log, where there is one.
pub(super) fn log_size(nodes: &[NodeStatus]) -> Vec<Metric> {
    let point = |node: &NodeStatus| Some(Point::new(node.log_bytes? as f64).with(NODE, node.name.clone()));
    let points: Vec<_> = nodes.iter().filter_map(point).collect();
    if points.is_empty() { Vec::new() } else { vec![LOG_BYTES.metric(points)] }
}

/// What is counted of the nodes.
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
