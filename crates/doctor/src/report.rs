//! The report of an examination.

use serde::Serialize;
use tallybook_sql::error::Error;

use super::configuration;
use super::finding::Finding;
use super::node::Node;
use super::severity::Severity;

/// The result of an examination. Contains no password.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Severity of the most severe finding.
    pub severity: Severity,
    /// Findings, most severe first.
    pub findings: Vec<Finding>,
    /// Nodes, in the order of the settings.
    pub nodes: Vec<Node>,
}

impl Report {
    pub(super) fn new(findings: Vec<Finding>, mut nodes: Vec<Node>) -> Self {
        let mut findings = merged(findings);
        // A stable sort keeps the order of the checks within a severity.
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let severity = findings.first().map_or(Severity::Ok, |finding| finding.severity);
        // Some checks pass on the node alone and fail in comparison with others.
        for node in &mut nodes {
            let has = |check: &str| {
                findings.iter().any(|found| found.check == check && found.nodes.contains(&node.node))
            };
            node.passed.retain(|check| !has(check));
        }
        Self { severity, findings, nodes }
    }

    /// Returns the report for settings that could not be read; no node was checked.
    pub fn of_unreadable(settings: &Error) -> Self {
        Self::new(vec![configuration::unreadable(settings)], Vec::new())
    }

    /// Returns the number of findings with this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// Merges equal findings of several nodes into one.
fn merged(findings: Vec<Finding>) -> Vec<Finding> {
    let mut merged: Vec<Finding> = Vec::new();
    for finding in findings {
        let duplicates = merged.iter_mut().find(|there| !there.nodes.is_empty() && there.is_same(&finding));
        let Some(there) = duplicates else {
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
