//! Check `connection`: unreachable nodes. The severity depends on whether another node can do the work.

use super::primary;
use crate::finding::Finding;
use crate::node::{ConfiguredAs, Role};
use crate::node_report::NodeReport;
use crate::severity::Severity;

pub(super) fn evaluate(reports: &mut [NodeReport]) -> Vec<Finding> {
    let has_primary = primary(reports).is_some();
    let is_standby =
        |report: &NodeReport| report.is(ConfiguredAs::Replica) && report.role() == Some(Role::Standby);
    let has_replica = reports.iter().any(is_standby);
    let is_alone = reports.len() == 1;
    let mut findings = Vec::new();
    for report in reports {
        let Some(mut finding) = report.failure.take() else { continue };
        if is_alone {
            findings.push(finding.at(&report.node.node));
            continue;
        }
        let (severity, why) = match report.node.configured {
            ConfiguredAs::Primary | ConfiguredAs::Both if has_primary => {
                (Severity::Warning, "another candidate is the primary, but the next fail-over can't go here")
            }
            ConfiguredAs::Replica if has_primary && has_replica => (
                Severity::Warning,
                "its reads go to the other replicas, which have less room for the next failure",
            ),
            ConfiguredAs::Replica if has_primary => {
                (Severity::Warning, "no replica is left: all reads go to the primary")
            }
            ConfiguredAs::Primary | ConfiguredAs::Both => {
                (Severity::Critical, "no primary was reached: nothing can be written")
            }
            ConfiguredAs::Replica => (Severity::Critical, "neither the primary nor this replica answers"),
        };
        finding.severity = severity;
        finding.why = format!("{why}. {}", capitalize(&finding.why));
        findings.push(finding.at(&report.node.node));
    }
    findings
}

/// Capitalizes the first letter.
fn capitalize(text: &str) -> String {
    let mut symbols = text.chars();
    let first = symbols.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    first + symbols.as_str()
}
