//! Whether nodes are what the settings take them for.

use super::{names, primary};
use crate::doctor::finding::Finding;
use crate::doctor::node::{Configured, Role};
use crate::doctor::visit::Seen;

const NAME: &str = "role";

pub(super) fn judge(seen: &[Seen]) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(several_writable(seen));
    findings.extend(none_writable(seen));
    findings.extend(seen.iter().filter_map(|node| writable_replica(node, primary(seen))));
    findings
}

/// Candidates that are one server are told of elsewhere.
fn several_writable(seen: &[Seen]) -> Option<Finding> {
    let is_writable = |node: &&Seen| node.is(Configured::Primary) && node.role() == Some(Role::Writable);
    let mut writable: Vec<_> = seen.iter().filter(is_writable).collect();
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
    let what = format!("several nodes can be written to: {}", list.collect::<Vec<_>>().join(", "));
    let why = "writes go to one or the other, and what is written to the one that is left behind is lost";
    Some(
        Finding::critical(NAME, what, why)
            .advise(
                "the higher timeline is the one that was promoted last; stop the other at once: pg_ctl \
                stop -m fast",
            )
            .advise("then make the other a standby: pg_rewind, or pg_basebackup into an empty directory")
            .advise("name only the servers of one cluster in DATABASE_URL"),
    )
}

fn none_writable(seen: &[Seen]) -> Option<Finding> {
    let candidates: Vec<_> = seen.iter().filter(|node| node.is(Configured::Primary)).collect();
    let standbys: Vec<_> =
        candidates.iter().filter(|node| node.role() == Some(Role::Standby)).copied().collect();
    if standbys.is_empty() || primary(seen).is_some() {
        return None;
    }
    let what = format!("DATABASE_URL names no primary: {}", names_are(&standbys));
    let elsewhere: Vec<_> = seen
        .iter()
        .filter(|node| node.is(Configured::Replica) && node.role() == Some(Role::Writable))
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
        finding.advise(format!("{} can be written to: put it into DATABASE_URL", names(elsewhere)))
    })
}

fn names_are(standbys: &[&Seen]) -> String {
    let list = names(standbys.iter().copied());
    if standbys.len() == 1 { format!("{list} is a standby") } else { format!("{list} are standbys") }
}

fn writable_replica(node: &Seen, primary: Option<&Seen>) -> Option<Finding> {
    let is_same = primary.is_some_and(|primary| primary.identity() == node.identity());
    let is_replica = node.node.configured == Configured::Replica && node.is_postgres();
    if !is_replica || node.role() != Some(Role::Writable) || is_same {
        return None;
    }
    let what = "DB_READ_REPLICA_URL names it, but it is no standby: it can be written to";
    let why = "it was promoted, or never followed anybody: what the primary writes does not arrive here, so \
        reads are stale";
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
