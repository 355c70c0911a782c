//! Whether replicas are replicas of this primary, and of its versions.

use super::{names, primary};
use crate::doctor::finding::Finding;
use crate::doctor::node::{Configured, Role};
use crate::doctor::postgres::major_of;
use crate::doctor::visit::Seen;

const WAL_LEVELS: [&str; 2] = ["replica", "logical"];

pub(super) fn judge(seen: &[Seen]) -> Vec<Finding> {
    let mut findings: Vec<_> = versions(seen).into_iter().collect();
    let Some(primary) = primary(seen) else { return findings };
    for node in seen.iter().filter(|node| node.is_postgres() && node.node.node != primary.node.node) {
        findings.extend(other_system(node, primary).or_else(|| other_timeline(node, primary)));
    }
    findings.extend(keeps_too_little(seen, primary));
    findings
}

fn other_system(node: &Seen, primary: &Seen) -> Option<Finding> {
    let (own, of_primary) = (node.system()?, primary.system()?);
    if own == of_primary {
        return None;
    }
    let variable = node.node.configured.variable();
    let what = format!(
        "it is of another database cluster than the primary {}: system identifier {own}, not {of_primary}",
        primary.node.node
    );
    let why = "its data is another's: reads return what was never written here";
    Some(
        Finding::critical("system", what, why)
            .at(&node.node.node)
            .sql("SELECT system_identifier FROM pg_control_system();")
            .sql("SELECT sender_host, sender_port FROM pg_stat_wal_receiver; -- whom it follows")
            .advise(format!("take it out of {variable}, or build it anew from this primary: pg_basebackup")),
    )
}

fn other_timeline(node: &Seen, primary: &Seen) -> Option<Finding> {
    let timeline = |seen: &Seen| seen.node.facts.as_ref().and_then(|facts| facts.timeline);
    let (own, of_primary) = (timeline(node)?, timeline(primary)?);
    if own == of_primary || node.role() != Some(Role::Standby) {
        return None;
    }
    let what = format!("it replays timeline {own}; the primary {} writes {of_primary}", primary.node.node);
    let why = "it did not follow the last fail-over: what is written now does not arrive, so reads are stale";
    Some(
        Finding::critical("timeline", what, why)
            .at(&node.node.node)
            .sql("SHOW recovery_target_timeline; -- latest, or it follows no fail-over")
            .sql("SELECT sender_host, sender_port, status FROM pg_stat_wal_receiver;")
            .advise(
                "point its primary_conninfo to the new primary and reload; if its log says that it has \
                forked off: pg_rewind",
            ),
    )
}

fn versions(seen: &[Seen]) -> Option<Finding> {
    let told: Vec<_> = seen.iter().filter_map(|node| Some((node, node.told.as_ref()?.version))).collect();
    let (_, first) = told.first()?;
    if told.iter().all(|(_, version)| version == first) {
        return None;
    }
    let version =
        |node: &Seen| node.node.facts.as_ref().map(|facts| facts.version.clone()).unwrap_or_default();
    let list = told.iter().map(|(node, _)| format!("{} has {}", node.node.node, version(node)));
    let list = list.collect::<Vec<_>>().join(", ");
    let what = format!("the nodes are of different versions: {list}");
    if told.iter().all(|(_, version)| major_of(*version) == major_of(*first)) {
        let why = "an error that one of them has corrected is left in the others; statements can be planned \
            differently";
        return Some(
            Finding::note("version", what, why)
                .advise("update the standbys first, then fail over, then the old primary"),
        );
    }
    let why = "streaming replication works between equal major versions only: some of these are no standbys \
        of the others";
    Some(Finding::warning("version", what, why).sql("SELECT version(), pg_is_in_recovery();"))
}

/// A primary from which no standby can stream.
fn keeps_too_little(seen: &[Seen], primary: &Seen) -> Option<Finding> {
    let level = &primary.told.as_ref()?.wal_level;
    let replicas: Vec<_> = seen.iter().filter(|node| node.is(Configured::Replica)).collect();
    if replicas.is_empty() || WAL_LEVELS.contains(&&**level) {
        return None;
    }
    let what = format!("wal_level is {level}, and {} should replicate from it", names(replicas));
    let why = "the log does not hold what a standby needs";
    Some(
        Finding::critical("system", what, why)
            .at(&primary.node.node)
            .sql("ALTER SYSTEM SET wal_level = replica; -- needs a restart"),
    )
}
