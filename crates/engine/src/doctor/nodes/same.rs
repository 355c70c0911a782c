//! One server that is named several times.

use std::collections::HashMap;

use crate::doctor::finding::Finding;
use crate::doctor::node::{Configured, Role};
use crate::doctor::severity::Severity;
use crate::doctor::visit::Seen;

const NAME: &str = "role";

pub(super) fn judge(seen: &[Seen]) -> Vec<Finding> {
    let mut servers: HashMap<_, Vec<&Seen>> = HashMap::new();
    for node in seen {
        if let Some(identity) = node.identity() {
            servers.entry(identity).or_default().push(node);
        }
    }
    let mut several: Vec<_> = servers.into_values().filter(|nodes| nodes.len() > 1).collect();
    several.sort_by_key(|nodes| nodes[0].node.node.clone());
    several.into_iter().filter_map(|nodes| named_twice(&nodes, seen)).collect()
}

fn named_twice(nodes: &[&Seen], seen: &[Seen]) -> Option<Finding> {
    let of = |configured| nodes.iter().filter(|node| node.is(configured)).count();
    let (primary, replica) = (of(Configured::Primary), of(Configured::Replica));
    let named = nodes.iter().map(|node| format!("{} ({})", node.node.node, node.node.configured.variable()));
    let list = named.collect::<Vec<_>>().join(", ");
    let finding = if primary > 1 || replica > 1 {
        let variable =
            if primary > 1 { Configured::Primary.variable() } else { Configured::Replica.variable() };
        let what = format!("one server is named several times: {list}");
        let why =
            "it gets twice its share, a pool of connections each time, and is no second one when it fails";
        Finding::warning(NAME, what, why).advise(format!("name it once in {variable}"))
    } else if nodes[0].role() == Some(Role::Writable) {
        // Where several candidates are named, each of them may be a replica, but for the one that is the primary.
        let candidates = seen.iter().filter(|node| node.is(Configured::Primary)).count();
        let severity = if candidates > 1 { Severity::Note } else { Severity::Warning };
        let what = format!("the primary is also named as a replica: {list} are one server");
        let why = "its reads burden the primary as before, through a second pool of connections";
        Finding::new(severity, NAME, what, why)
            .advise("name standbys only in DB_READ_REPLICA_URL, or set DB_ENABLE_READ_REPLICA=false")
    } else {
        return None;
    };
    Some(nodes.iter().fold(finding, |finding, node| finding.at(&node.node.node)))
}
