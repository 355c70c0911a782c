//! What an examination came to.

use serde::Serialize;

use super::configuration;
use super::finding::Finding;
use super::node::Node;
use super::severity::Severity;
use crate::error::Error;

/// What an examination came to. Nothing in it is a password.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The severity of the gravest finding.
    pub severity: Severity,
    /// The gravest first.
    pub findings: Vec<Finding>,
    /// The nodes in the order of the settings.
    pub nodes: Vec<Node>,
}

impl Report {
    pub(super) fn new(findings: Vec<Finding>, mut nodes: Vec<Node>) -> Self {
        let mut findings = merged(findings);
        // Stable: findings of equal severity stay in the order of the checks.
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let severity = findings.first().map_or(Severity::Ok, |finding| finding.severity);
        // Some checks find nothing on a node alone, but beside others.
        for node in &mut nodes {
            let has = |check: &str| {
                findings.iter().any(|found| found.check == check && found.nodes.contains(&node.node))
            };
            node.passed.retain(|check| !has(check));
        }
        Self { severity, findings, nodes }
    }

    /// The report on settings that could not be read, for which no node could be looked at.
    pub fn of_unreadable(settings: &Error) -> Self {
        Self::new(vec![configuration::unreadable(settings)], Vec::new())
    }

    /// How many findings have this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// One finding of what is the same at several nodes.
fn merged(findings: Vec<Finding>) -> Vec<Finding> {
    let mut merged: Vec<Finding> = Vec::new();
    for finding in findings {
        let same = merged.iter_mut().find(|there| !there.nodes.is_empty() && there.is_same(&finding));
        let Some(there) = same else {
            merged.push(finding);
            continue;
        };
        for node in finding.nodes {
            if !there.nodes.contains(&node) {
                there.nodes.push(node);
            }
        }
    }
    merged
}
