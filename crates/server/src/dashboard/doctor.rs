//! The doctor, on demand.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tallybook::Database;
use tallybook::book::REVISIONS;
use tallybook_doctor::{Doctor, Finding, Next, Severity};

/// The result of an examination.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Examination {
    pub(super) at: DateTime<Utc>,
    severity: Severity,
    pub(super) findings: Vec<Found>,
    /// Names of the checks that passed, and of those that saw nothing or only a part.
    pub(super) passed: Vec<&'static str>,
    pub(super) skipped: Vec<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Found {
    pub(super) severity: Severity,
    pub(super) check: &'static str,
    nodes: Vec<String>,
    pub(super) what: String,
    why: String,
    next: Vec<Step>,
}

#[derive(Clone, Debug, Serialize)]
struct Step {
    kind: &'static str,
    text: String,
}

impl From<Finding> for Found {
    fn from(finding: Finding) -> Self {
        Self {
            severity: finding.severity,
            check: finding.check,
            nodes: finding.nodes,
            what: finding.what,
            why: finding.why,
            next: finding.next.into_iter().map(Step::from).collect(),
        }
    }
}

impl From<Next> for Step {
    fn from(next: Next) -> Self {
        let (kind, text) = match next {
            Next::Sql(text) => ("sql", text),
            Next::Run(text) => ("run", text),
            other => ("text", other.to_string()),
        };
        Self { kind, text }
    }
}

/// Examines the database and all its servers. Takes ten seconds at most.
pub(super) async fn examine(db: &Database) -> Examination {
    let report = Doctor::new(db.settings(), REVISIONS).examine().await;
    let names = |of: fn(&tallybook_doctor::Node) -> &Vec<&'static str>| {
        let mut names: Vec<_> = report.nodes.iter().flat_map(of).copied().collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    Examination {
        at: Utc::now(),
        severity: report.severity,
        passed: names(|node| &node.passed),
        skipped: names(|node| &node.skipped),
        findings: report.findings.into_iter().map(Found::from).collect(),
    }
}
