//! Whether pools fit into what servers allow.

use std::collections::HashMap;

use crate::doctor::finding::Finding;
use crate::doctor::node::Seat;
use crate::doctor::visit::Seen;
use crate::settings::Settings;

const NAME: &str = "pool";

/// Each node that is named gets a pool; a server that is named twice, two.
pub(super) fn judge(settings: &Settings, seats: &[Seat], seen: &[Seen]) -> Vec<Finding> {
    let pool = (settings.pool.size + settings.pool.max_overflow) as i64;
    let mut servers: HashMap<_, (i64, &Seen)> = HashMap::new();
    for (seat, node) in seats.iter().zip(seen) {
        let identity = node.identity().map_or(("", &*seat.name), |identity| identity);
        servers.entry(identity).or_insert((0, node)).0 += 1;
    }
    let mut findings: Vec<_> =
        servers.into_values().filter_map(|(pools, node)| look(pools, pool, node, settings)).collect();
    findings.sort_by(|one, other| one.nodes.cmp(&other.nodes));
    findings
}

fn look(pools: i64, pool: i64, node: &Seen, settings: &Settings) -> Option<Finding> {
    let limit = node.told.as_ref()?.connections;
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
    let why = "under load the server refuses connections instead of the pool letting callers wait, and other \
        programs get none";
    Some(
        Finding::warning(NAME, what, why)
            .at(&node.node.node)
            .advise(format!(
                "set DB_POOL_SIZE and DB_MAX_OVERFLOW so that all programs together stay below \
                {limit}; docs/pool.md says how many are of use"
            ))
            .sql("ALTER SYSTEM SET max_connections = 200; -- or so; needs a restart, on standbys first"),
    )
}
