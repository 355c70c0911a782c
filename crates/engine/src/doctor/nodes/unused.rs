//! Large indexes that no node reads.

use super::primary;
use crate::doctor::finding::Finding;
use crate::doctor::node::Configured;
use crate::doctor::postgres::IndexUse;
use crate::doctor::units::bytes;
use crate::doctor::visit::Seen;

const NAME: &str = "unused_indexes";

/// Those of the primary. A standby counts its own reads, and an index may be there for a report that runs only there.
pub(super) fn judge(seen: &[Seen]) -> Vec<Finding> {
    let Some(primary) = primary(seen) else { return Vec::new() };
    let others: Vec<_> = seen
        .iter()
        .filter(|node| node.node.node != primary.node.node && node.system() == primary.system())
        .collect();
    let unseen = seen.iter().filter(|node| node.is(Configured::Replica) && node.node.facts.is_none()).count();
    let used_elsewhere = |index: &IndexUse| {
        others.iter().flat_map(|node| &node.indexes).any(|other| other.name == index.name && other.scans > 0)
    };
    let unused = primary.indexes.iter().filter(|index| index.scans == 0 && !used_elsewhere(index));
    unused.map(|index| told(index, others.len(), unseen).at(&primary.node.node)).collect()
}

fn told(index: &IndexUse, others: usize, unseen: usize) -> Finding {
    let IndexUse { name, of_table, bytes: size, since, .. } = index;
    let nodes = if others > 0 { format!(" nor on {others} other nodes") } else { String::new() };
    let rest = if unseen > 0 {
        format!("; {unseen} replicas were not reached and may use it")
    } else {
        String::new()
    };
    Finding::note(
        NAME,
        format!(
            "the index {name} of {of_table} ({}) was not read since {since}, not here{nodes}{rest}",
            bytes(*size)
        ),
        "each write keeps it; but a report that runs once a month may need it",
    )
    .sql(format!("SELECT pg_get_indexdef('{}'::regclass); -- to make it again", name.replace('\'', "''")))
    .sql(format!("DROP INDEX CONCURRENTLY {name};"))
}
