//! Check `role`: nodes have the role that the settings assign them.

use super::{names, primary};
use crate::finding::Finding;
use crate::node::{ConfiguredAs, Role};
use crate::node_report::NodeReport;

const NAME: &str = "role";

pub(super) fn evaluate(reports: &[NodeReport]) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(several_writable(reports));
    findings.extend(none_writable(reports));
    findings.extend(reports.iter().filter_map(|node| writable_replica(node, primary(reports))));
    findings
}

/// Ignores candidates that are one server; [`duplicates`](super::duplicates) reports those.
fn several_writable(reports: &[NodeReport]) -> Option<Finding> {
    let is_writable =
        |node: &&NodeReport| node.is(ConfiguredAs::Primary) && node.role() == Some(Role::Writable);
    let mut writable: Vec<_> = reports.iter().filter(is_writable).collect();
    writable.dedup_by_key(|node| {
        node.identity().map(|(system, started)| (system.to_owned(), started.to_owned()))
    });
    if writable.len() < 2 {
        return None;
    }
    let list = writable.iter().map(|node| {
        let timeline = node.node.facts.as_ref().and_then(|facts| facts.timeline);
        let timeline = timeline.map(|number| format!(" (timeline {number})")).unwrap_or_default();
        format!("{}{timeline}", node.node.node)
    });
    let what = format!("several nodes accept writes: {}", list.collect::<Vec<_>>().join(", "));
    let why = "writes go to either of them, and those to the node that is later demoted are lost";
    Some(
        Finding::critical(NAME, what, why)
            .advise(
                "the higher timeline is the one that was promoted last; stop the other at once: pg_ctl \
                stop -m fast",
            )
            .advise("then make it a standby: pg_rewind, or pg_basebackup into an empty directory")
            .advise("name only the servers of one cluster in DATABASE_URL"),
    )
}

fn none_writable(reports: &[NodeReport]) -> Option<Finding> {
    let candidates: Vec<_> = reports.iter().filter(|node| node.is(ConfiguredAs::Primary)).collect();
    let standbys: Vec<_> =
        candidates.iter().filter(|node| node.role() == Some(Role::Standby)).copied().collect();
    if standbys.is_empty() || primary(reports).is_some() {
        return None;
    }
    let what = format!("DATABASE_URL names no primary: {}", names_are(&standbys));
    let elsewhere: Vec<_> = reports
        .iter()
        .filter(|node| node.is(ConfiguredAs::Replica) && node.role() == Some(Role::Writable))
        .collect();
    let finding = Finding::critical(NAME, what, "no write can succeed");
    Some(if elsewhere.is_empty() {
        finding
            .sql("SELECT sender_host, sender_port FROM pg_stat_wal_receiver; -- which primary it follows")
            .advise(
                "correct DATABASE_URL; or, if the primary is lost for good, on the standby that is \
                furthest: SELECT pg_promote()",
            )
    } else {
        finding.advise(format!("{} accepts writes: put it into DATABASE_URL", names(elsewhere)))
    })
}

fn names_are(standbys: &[&NodeReport]) -> String {
    let list = names(standbys.iter().copied());
    if standbys.len() == 1 { format!("{list} is a standby") } else { format!("{list} are standbys") }
}

fn writable_replica(node: &NodeReport, primary: Option<&NodeReport>) -> Option<Finding> {
    let is_same = primary.is_some_and(|primary| primary.identity() == node.identity());
    let is_replica = node.node.configured == ConfiguredAs::Replica && node.is_postgres();
    if !is_replica || node.role() != Some(Role::Writable) || is_same {
        return None;
    }
    let what = "DB_READ_REPLICA_URL names it, but it is not a standby: it accepts writes";
    let why = "it was promoted, or never followed the primary: new writes do not arrive, so reads are stale";
    Some(
        Finding::critical(NAME, what, why)
            .at(&node.node.node)
            .sql("SELECT pg_is_in_recovery(), pg_walfile_name(pg_current_wal_lsn());")
            .advise(
                "take it out of DB_READ_REPLICA_URL; make it a standby again: pg_rewind, or \
                pg_basebackup into an empty directory",
            ),
    )
}
