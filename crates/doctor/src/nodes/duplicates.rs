//! Check `role`: one server is named several times.

use std::collections::HashMap;

use crate::finding::Finding;
use crate::node::{ConfiguredAs, Role};
use crate::node_report::NodeReport;
use crate::severity::Severity;

const NAME: &str = "role";

pub(super) fn evaluate(reports: &[NodeReport]) -> Vec<Finding> {
    let mut servers: HashMap<_, Vec<&NodeReport>> = HashMap::new();
    for node in reports {
        if let Some(identity) = node.identity() {
            servers.entry(identity).or_default().push(node);
        }
    }
    let mut several: Vec<_> = servers.into_values().filter(|nodes| nodes.len() > 1).collect();
    several.sort_by_key(|nodes| nodes[0].node.node.clone());
    several.into_iter().filter_map(|nodes| named_twice(&nodes, reports)).collect()
}

fn named_twice(nodes: &[&NodeReport], reports: &[NodeReport]) -> Option<Finding> {
    let of = |configured| nodes.iter().filter(|node| node.is(configured)).count();
    let (primary, replica) = (of(ConfiguredAs::Primary), of(ConfiguredAs::Replica));
    let named = nodes.iter().map(|node| format!("{} ({})", node.node.node, node.node.configured.variable()));
    let list = named.collect::<Vec<_>>().join(", ");
    let finding = if primary > 1 || replica > 1 {
        let variable =
            if primary > 1 { ConfiguredAs::Primary.variable() } else { ConfiguredAs::Replica.variable() };
        let what = format!("one server is named several times: {list}");
        let why = "it gets twice its share of reads and two pools, and adds no redundancy";
        Finding::warning(NAME, what, why).advise(format!("name it once in {variable}"))
    } else if nodes[0].role() == Some(Role::Writable) {
        // With several candidates, each may be named as a replica too; all except the primary then serve
        // reads.
        let candidates = reports.iter().filter(|node| node.is(ConfiguredAs::Primary)).count();
        let severity = if candidates > 1 { Severity::Note } else { Severity::Warning };
        let what = format!("the primary is also named as a replica: {list} are one server");
        let why = "its reads still load the primary, through a second pool";
        Finding::new(severity, NAME, what, why)
            .advise("name standbys only in DB_READ_REPLICA_URL, or set DB_ENABLE_READ_REPLICA=false")
    } else {
        return None;
    };
    Some(nodes.iter().fold(finding, |finding, node| finding.at(&node.node.node)))
}
