//! Nodes that were not reached. What one of several is missing for hurts less.

use super::primary;
use crate::doctor::finding::Finding;
use crate::doctor::node::{Configured, Role};
use crate::doctor::severity::Severity;
use crate::doctor::visit::Seen;

pub(super) fn judge(seen: &mut [Seen]) -> Vec<Finding> {
    let has_primary = primary(seen).is_some();
    let is_standby = |seen: &Seen| seen.is(Configured::Replica) && seen.role() == Some(Role::Standby);
    let has_replica = seen.iter().any(is_standby);
    let is_alone = seen.len() == 1;
    let mut findings = Vec::new();
    for seen in seen {
        let Some(mut finding) = seen.failure.take() else { continue };
        if is_alone {
            findings.push(finding.at(&seen.node.node));
            continue;
        }
        let (severity, why) = match seen.node.configured {
            Configured::Primary | Configured::Both if has_primary => {
                (Severity::Warning, "another candidate is the primary, but the next fail-over can't go here")
            }
            Configured::Replica if has_primary && has_replica => (
                Severity::Warning,
                "its reads go to the other replicas, which have less room for the next failure",
            ),
            Configured::Replica if has_primary => {
                (Severity::Warning, "no replica is left: all reads go to the primary")
            }
            Configured::Primary | Configured::Both => {
                (Severity::Critical, "no primary was reached: nothing can be written")
            }
            Configured::Replica => (Severity::Critical, "neither the primary nor this replica answers"),
        };
        finding.severity = severity;
        finding.why = format!("{why}. {}", capital(&finding.why));
        findings.push(finding.at(&seen.node.node));
    }
    findings
}

/// As it stands at the beginning of a sentence.
fn capital(text: &str) -> String {
    let mut symbols = text.chars();
    let first = symbols.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    first + symbols.as_str()
}
