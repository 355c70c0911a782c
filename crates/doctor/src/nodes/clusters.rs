//! Checks `system`, `timeline` and `version`: replicas belong to this primary and match its version.

use super::{names, primary};
use crate::finding::Finding;
use crate::node::{ConfiguredAs, Role};
use crate::node_report::NodeReport;
use crate::postgres::major_of;

const WAL_LEVELS: [&str; 2] = ["replica", "logical"];

pub(super) fn evaluate(reports: &[NodeReport]) -> Vec<Finding> {
    let mut findings: Vec<_> = versions(reports).into_iter().collect();
    let Some(primary) = primary(reports) else { return findings };
    for node in reports.iter().filter(|node| node.is_postgres() && node.node.node != primary.node.node) {
        findings.extend(other_system(node, primary).or_else(|| other_timeline(node, primary)));
    }
    findings.extend(wal_level_too_low(reports, primary));
    findings
}

fn other_system(node: &NodeReport, primary: &NodeReport) -> Option<Finding> {
    let (own, of_primary) = (node.system()?, primary.system()?);
    if own == of_primary {
        return None;
    }
    let variable = node.node.configured.variable();
    let what = format!(
        "it is of another database cluster than the primary {}: system identifier {own}, not {of_primary}",
        primary.node.node
    );
    let why = "it holds different data: reads return rows that were never written here";
    Some(
        Finding::critical("system", what, why)
            .at(&node.node.node)
            .sql("SELECT system_identifier FROM pg_control_system();")
            .sql("SELECT sender_host, sender_port FROM pg_stat_wal_receiver; -- which primary it follows")
            .advise(format!("take it out of {variable}, or rebuild it from this primary: pg_basebackup")),
    )
}

fn other_timeline(node: &NodeReport, primary: &NodeReport) -> Option<Finding> {
    let timeline = |report: &NodeReport| report.node.facts.as_ref().and_then(|facts| facts.timeline);
    let (own, of_primary) = (timeline(node)?, timeline(primary)?);
    if own == of_primary || node.role() != Some(Role::Standby) {
        return None;
    }
    let what = format!("it replays timeline {own}; the primary {} writes {of_primary}", primary.node.node);
    let why = "it did not follow the last fail-over: new writes do not arrive, so reads are stale";
    Some(
        Finding::critical("timeline", what, why)
            .at(&node.node.node)
            .sql("SHOW recovery_target_timeline; -- anything except latest follows no fail-over")
            .sql("SELECT sender_host, sender_port, status FROM pg_stat_wal_receiver;")
            .advise(
                "point its primary_conninfo to the new primary and reload; if its log reports diverged \
                timelines: pg_rewind",
            ),
    )
}

fn versions(reports: &[NodeReport]) -> Option<Finding> {
    let versions: Vec<_> =
        reports.iter().filter_map(|node| Some((node, node.peer_facts.as_ref()?.version))).collect();
    let (_, first) = versions.first()?;
    if versions.iter().all(|(_, version)| version == first) {
        return None;
    }
    let version =
        |node: &NodeReport| node.node.facts.as_ref().map(|facts| facts.version.clone()).unwrap_or_default();
    let list = versions.iter().map(|(node, _)| format!("{} has {}", node.node.node, version(node)));
    let list = list.collect::<Vec<_>>().join(", ");
    let what = format!("the nodes are of different versions: {list}");
    if versions.iter().all(|(_, version)| major_of(*version) == major_of(*first)) {
        let why = "bugs fixed on one node remain on the others, and plans may differ";
        return Some(
            Finding::note("version", what, why)
                .advise("update the standbys first, then fail over, then the old primary"),
        );
    }
    let why = "streaming replication requires equal major versions: some of these nodes cannot be standbys of \
        the others";
    Some(Finding::warning("version", what, why).sql("SELECT version(), pg_is_in_recovery();"))
}

/// Returns the finding about a primary that no standby can stream from.
fn wal_level_too_low(reports: &[NodeReport], primary: &NodeReport) -> Option<Finding> {
    let level = &primary.peer_facts.as_ref()?.wal_level;
    let replicas: Vec<_> = reports.iter().filter(|node| node.is(ConfiguredAs::Replica)).collect();
    if replicas.is_empty() || WAL_LEVELS.contains(&&**level) {
        return None;
    }
    let what = format!("wal_level is {level}, and {} should replicate from it", names(replicas));
    let why = "the log lacks the records that a standby needs";
    Some(
        Finding::critical("system", what, why)
            .at(&primary.node.node)
            .sql("ALTER SYSTEM SET wal_level = replica; -- needs a restart"),
    )
}
