//! Check `pool`: the pools of one program fit the servers' connection limits.

use std::collections::HashMap;

use tallybook_core::settings::Settings;

use crate::finding::Finding;
use crate::node::NodeConfig;
use crate::node_report::NodeReport;

const NAME: &str = "pool";

/// Each named node has a pool; a server that is named twice has two.
pub(super) fn evaluate(settings: &Settings, configs: &[NodeConfig], reports: &[NodeReport]) -> Vec<Finding> {
    let pool = (settings.pool.size + settings.pool.max_overflow) as i64;
    let mut servers: HashMap<_, (i64, &NodeReport)> = HashMap::new();
    for (config, node) in configs.iter().zip(reports) {
        let identity = node.identity().map_or(("", &*config.name), |identity| identity);
        servers.entry(identity).or_insert((0, node)).0 += 1;
    }
    let mut findings: Vec<_> =
        servers.into_values().filter_map(|(pools, node)| too_large(pools, pool, node, settings)).collect();
    findings.sort_by(|one, other| one.nodes.cmp(&other.nodes));
    findings
}

fn too_large(pools: i64, pool: i64, node: &NodeReport, settings: &Settings) -> Option<Finding> {
    let limit = node.peer_facts.as_ref()?.connections;
    let wanted = pools * pool;
    if limit == 0 || wanted <= limit {
        return None;
    }
    let several = if pools > 1 { format!("{pools} times ") } else { String::new() };
    let what = format!(
        "one program's pools can take {wanted} connections ({several}DB_POOL_SIZE {} + DB_MAX_OVERFLOW {}); \
         the server \
         lets programs have {limit}",
        settings.pool.size, settings.pool.max_overflow
    );
    let why = "under load the server refuses connections instead of the pool queueing callers, and other \
        programs get none";
    Some(
        Finding::warning(NAME, what, why)
            .at(&node.node.node)
            .advise(format!(
                "set DB_POOL_SIZE and DB_MAX_OVERFLOW so that all programs together stay below \
                {limit}; see docs/pool.md for sizing"
            ))
            .sql("ALTER SYSTEM SET max_connections = 200; -- or so; needs a restart, on standbys first"),
    )
}
