//! Check `unused_indexes`: large indexes that no node reads.

use super::primary;
use crate::finding::Finding;
use crate::node::ConfiguredAs;
use crate::node_report::{IndexUse, NodeReport};
use crate::units::bytes;

const NAME: &str = "unused_indexes";

/// Judges the indexes of the primary. Standbys count their own reads, and an index may serve a report that
/// runs only there.
pub(super) fn evaluate(reports: &[NodeReport]) -> Vec<Finding> {
    let Some(primary) = primary(reports) else { return Vec::new() };
    let others: Vec<_> = reports
        .iter()
        .filter(|node| node.node.node != primary.node.node && node.system() == primary.system())
        .collect();
    let skipped =
        reports.iter().filter(|node| node.is(ConfiguredAs::Replica) && node.node.facts.is_none()).count();
    let used_elsewhere = |index: &IndexUse| {
        others.iter().flat_map(|node| &node.indexes).any(|other| other.name == index.name && other.scans > 0)
    };
    let unused_indexes = primary.indexes.iter().filter(|index| index.scans == 0 && !used_elsewhere(index));
    unused_indexes.map(|index| unused(index, others.len(), skipped).at(&primary.node.node)).collect()
}

fn unused(index: &IndexUse, others: usize, skipped: usize) -> Finding {
    let IndexUse { name, of_table, bytes: size, since, .. } = index;
    let nodes = if others > 0 { format!(" nor on {others} other nodes") } else { String::new() };
    let rest = if skipped > 0 {
        format!("; {skipped} replicas were not reached and may use it")
    } else {
        String::new()
    };
    Finding::note(
        NAME,
        format!(
            "the index {name} of {of_table} ({}) was not read since {since}, not here{nodes}{rest}",
            bytes(*size)
        ),
        "each write maintains it; a report that runs once a month may still need it",
    )
    .sql(format!("SELECT pg_get_indexdef('{}'::regclass); -- to recreate it", name.replace('\'', "''")))
    .sql(format!("DROP INDEX CONCURRENTLY {name};"))
}
