//! Prints the report of the doctor. Each section is a file.

mod findings;
mod nodes;
mod variables;

use std::io;

use serde::Serialize;
use tallybook::EnvVar;
use tallybook_doctor::{Report, Severity};

use crate::output;

/// The printed report, and the exit code.
#[derive(Serialize)]
pub(crate) struct PrintedReport {
    #[serde(flatten)]
    report: Report,
    /// The database of the command line, if it names one, without its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    settings: Vec<EnvVar>,
    pub(crate) exit_code: u8,
}

impl PrintedReport {
    pub(crate) fn new(report: Report, settings: Vec<EnvVar>, named: Option<&str>) -> Self {
        // The report has the URL of a node without its password.
        let database = named.and_then(|_| report.nodes.first()).map(|node| node.url.clone());
        Self { exit_code: exit_code(report.severity), database, settings, report }
    }

    pub(crate) fn print_json(&self) -> io::Result<()> {
        output::json(self)
    }

    pub(crate) fn print(&self) -> io::Result<()> {
        findings::print_summary(&self.report)?;
        variables::print(&self.settings, self.database.as_deref())?;
        nodes::print(&self.report.nodes)?;
        findings::print(&self.report.findings)?;
        nodes::print_checks(&self.report.nodes)
    }
}

/// As of all commands, 1 is a failure of the doctor itself, 2 wrong usage.
fn exit_code(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 4,
        Severity::Warning => 3,
        _ => 0,
    }
}
