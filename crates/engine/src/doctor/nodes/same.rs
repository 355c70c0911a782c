//! One server that is named several times.

use std::collections::HashMap;

use super::names;
use crate::doctor::finding::Finding;
use crate::doctor::node::Configured;
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
    several.into_iter().map(|nodes| named_twice(&nodes)).collect()
}

fn named_twice(nodes: &[&Seen]) -> Finding {
    let list = names(nodes.iter().copied());
    let has = |configured| nodes.iter().any(|node| node.is(configured));
    if has(Configured::Primary) && has(Configured::Replica) {
        let what = format!("the primary is also named as a replica: {list} are one server");
        let why = "its reads burden the primary as before, through a second pool of connections";
        return Finding::warning(NAME, what, why)
            .advise("name standbys only in DB_READ_REPLICA_URL, or set DB_ENABLE_READ_REPLICA=false");
    }
    let variable = nodes[0].node.configured.variable();
    let what = format!("{variable} names one server several times: {list}");
    let why = "it gets twice its share of the reads, a pool of connections each time, and is no second one when it fails";
    Finding::warning(NAME, what, why).advise(format!("name it once in {variable}"))
}
