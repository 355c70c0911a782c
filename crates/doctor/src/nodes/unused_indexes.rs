//! Check `unused_indexes`: large indexes that no node reads.

use super::primary;
use crate::finding::Finding;
use crate::index_review::UnreadIndex;
use crate::node::ConfiguredAs;
use crate::node_report::{IndexUse, NodeReport};
use crate::units::bytes;

const NAME: &str = "unused_indexes";

/// Judges the indexes of the primary. Standbys count their own reads, and an index may serve a report that
/// runs only there.
pub(super) fn evaluate(reports: &[NodeReport]) -> Vec<Finding> {
    let Some(primary) = primary(reports) else { return Vec::new() };
    let unread = unread(reports);
    unread.map(|(index, others, skipped)| unused(index, others, skipped).at(&primary.node.node)).collect()
}

/// Returns the indexes that no node reads.
pub(crate) fn review(reports: &[NodeReport]) -> Vec<UnreadIndex> {
    let unread = unread(reports).map(|(index, others, skipped)| UnreadIndex {
        name: index.bare.clone(),
        since: index.since.clone(),
        other_nodes: others,
        unreached_nodes: skipped,
    });
    unread.collect()
}

/// Returns them with the number of other nodes that do not read them either, and of those that were not reached.
fn unread(reports: &[NodeReport]) -> impl Iterator<Item = (&IndexUse, usize, usize)> {
    let primary = primary(reports);
    let others: Vec<_> = reports
        .iter()
        .filter(|node| {
            primary.is_some_and(|primary| {
                node.node.node != primary.node.node && node.system() == primary.system()
            })
        })
        .collect();
    let skipped =
        reports.iter().filter(|node| node.is(ConfiguredAs::Replica) && node.node.facts.is_none()).count();
    let count = others.len();
    let used_elsewhere = move |index: &IndexUse| {
        others.iter().flat_map(|node| &node.indexes).any(|other| other.name == index.name && other.scans > 0)
    };
    let indexes = primary.into_iter().flat_map(|primary| &primary.indexes);
    indexes
        .filter(move |index| index.scans == 0 && !used_elsewhere(index))
        .map(move |index| (index, count, skipped))
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
