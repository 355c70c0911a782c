//! Checks that compare several nodes, run after all of them were examined.

mod clusters;
mod duplicates;
mod lag;
mod pools;
mod roles;
mod unlisted_standbys;
mod unreachable;
pub(super) mod unused_indexes;

use tallybook_core::settings::Settings;

use super::finding::Finding;
use super::node::{ConfiguredAs, NodeConfig, Role};
use super::node_report::NodeReport;

/// Compares the nodes. Also fills in the lag of standbys, which needs the primary's position.
pub(super) fn compare(
    settings: &Settings,
    configs: &[NodeConfig],
    reports: &mut [NodeReport],
) -> Vec<Finding> {
    let mut findings = unreachable::evaluate(reports);
    findings.extend(roles::evaluate(reports));
    findings.extend(duplicates::evaluate(reports));
    findings.extend(clusters::evaluate(reports));
    findings.extend(lag::evaluate(reports));
    findings.extend(unlisted_standbys::evaluate(settings, reports));
    findings.extend(pools::evaluate(settings, configs, reports));
    findings.extend(unused_indexes::evaluate(reports));
    findings
}

impl NodeReport {
    fn is(&self, configured: ConfiguredAs) -> bool {
        matches!(self.node.configured, ConfiguredAs::Both) || self.node.configured == configured
    }

    fn role(&self) -> Option<Role> {
        self.node.facts.as_ref().map(|facts| facts.role)
    }

    fn system(&self) -> Option<&str> {
        self.node.facts.as_ref()?.system.as_deref()
    }

    /// Returns what identifies a running server. Two on one machine may start in the same second, so the time
    /// alone does not.
    fn identity(&self) -> Option<(&str, &str)> {
        let facts = self.node.facts.as_ref()?;
        Some((facts.system.as_deref()?, facts.started.as_deref()?))
    }

    fn is_postgres(&self) -> bool {
        self.peer_facts.is_some()
    }
}

/// Returns the first node that is configured as a primary and accepts writes.
fn primary(reports: &[NodeReport]) -> Option<&NodeReport> {
    reports.iter().find(|report| report.is(ConfiguredAs::Primary) && report.role() == Some(Role::Writable))
}

fn names<'a>(reports: impl IntoIterator<Item = &'a NodeReport>) -> String {
    reports.into_iter().map(|report| &*report.node.node).collect::<Vec<_>>().join(", ")
}
