//! Check `lag`: how far standbys trail the primary.

use super::primary;
use crate::finding::Finding;
use crate::node::Role;
use crate::node_report::NodeReport;
use crate::severity::Severity;
use crate::units::{bytes, seconds};

const NAME: &str = "lag";

/// Fewer bytes may be written while the nodes are examined.
const SMALL_LAG: i64 = 16 << 20;
const LARGE_LAG: i64 = 1 << 30;
const OLD_SECONDS: i64 = 30;
const TOO_OLD_SECONDS: i64 = 600;

pub(super) fn evaluate(reports: &mut [NodeReport]) -> Vec<Finding> {
    let of_primary = primary(reports)
        .and_then(|primary| Some((primary.system()?.to_owned(), primary.node.facts.as_ref()?.position?)));
    let mut findings = Vec::new();
    for node in reports {
        let (Some(facts), Some(peer_facts)) = (&mut node.node.facts, &node.peer_facts) else { continue };
        if facts.role != Role::Standby {
            continue;
        }
        let position = of_primary.as_ref().filter(|(system, _)| Some(system) == facts.system.as_ref());
        let behind = position.zip(facts.position).map_or(0, |((_, ahead), own)| ahead - own);
        let behind = behind.max(peer_facts.waiting);
        facts.lag_bytes = Some(behind);
        facts.lag_seconds = Some(if behind > 0 { peer_facts.replayed_age.unwrap_or_default() } else { 0 });
        let found = lagging(behind, facts.lag_seconds.unwrap_or_default(), peer_facts.is_delayed);
        findings.extend(found.map(|finding| finding.at(&node.node.node)));
    }
    findings
}

/// A small but old gap means that the primary wrote little for a while, and has just written something.
fn lagging(behind: i64, age: i64, is_delayed: bool) -> Option<Finding> {
    if is_delayed {
        let what = "it is late on purpose: recovery_min_apply_delay is set";
        let why = "its reads are always that old; a delayed standby serves recovery from mistakes, not reads";
        let finding = Finding::note(NAME, what, why).sql("SHOW recovery_min_apply_delay;");
        return Some(finding.advise("name standbys without a delay in DB_READ_REPLICA_URL"));
    }
    let severity = match (behind, age) {
        (..SMALL_LAG, ..OLD_SECONDS) => return None,
        (LARGE_LAG.., _) => Severity::Critical,
        (SMALL_LAG.., TOO_OLD_SECONDS..) => Severity::Critical,
        (SMALL_LAG.., _) => Severity::Warning,
        _ => Severity::Note,
    };
    let what = format!(
        "it is {} behind the primary; the last transaction it replayed is {} old",
        bytes(behind),
        seconds(age)
    );
    let why = "its reads are that old, and a fail-over to it must wait until it has caught up";
    Some(
        Finding::new(severity, NAME, what, why)
            .sql("SELECT pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn(), pg_is_wal_replay_paused();")
            .sql(
                "SELECT pid, xact_start, state FROM pg_stat_activity WHERE backend_type = 'client backend' \
                ORDER BY xact_start; -- a long read holds up the replay",
            )
            .advise(
                "received but not replayed: a long read, or a slow disk or core there; not received: the \
                network, or the primary's sender",
            ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_age_count_together() {
        let severity = |behind, age| lagging(behind, age, false).map(|finding| finding.severity);
        for (behind, age, expected) in [
            (0, 0, None),
            (16_777_215, 29, None),
            (16_777_215, 30, Some(Severity::Note)),
            (16_777_215, 5_000, Some(Severity::Note)),
            (16_777_216, 0, Some(Severity::Warning)),
            (16_777_216, 599, Some(Severity::Warning)),
            (16_777_216, 600, Some(Severity::Critical)),
            (1_073_741_823, 599, Some(Severity::Warning)),
            (1_073_741_824, 0, Some(Severity::Critical)),
        ] {
            assert_eq!(severity(behind, age), expected, "{behind} bytes, {age} s");
        }
    }
}
