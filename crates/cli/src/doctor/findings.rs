//! Prints the findings, most severe first.

use std::io;

use crossterm::style::Stylize;
use tallybook::Escaped;
use tallybook_doctor::{Finding, Next, Report, Severity};

use crate::output;

const INDENT: &str = "  ";

pub(super) fn print_summary(report: &Report) -> io::Result<()> {
    let counted = |severity| match (severity, report.count(severity)) {
        (_, 0) => None,
        (Severity::Critical, count) => Some(format!("{count} critical")),
        (severity, 1) => Some(format!("1 {severity}")),
        (severity, count) => Some(format!("{count} {severity}s")),
    };
    let counts: Vec<_> =
        [Severity::Critical, Severity::Warning, Severity::Note].into_iter().filter_map(counted).collect();
    let summary = match counts.is_empty() {
        true => coloured(Severity::Ok, "all is well".to_owned()),
        false => coloured(report.severity, counts.join(", ")),
    };
    output::styled(&summary, "")
}

pub(super) fn print(findings: &[Finding]) -> io::Result<()> {
    findings.iter().try_for_each(print_one)
}

fn print_one(finding: &Finding) -> io::Result<()> {
    let place = match finding.nodes.is_empty() {
        true => String::new(),
        false => format!(" at {}", finding.nodes.join(", ")),
    };
    let severity = coloured(finding.severity, finding.severity.to_string());
    output::styled(&format!("\n{severity}"), &format!(": {}{}", finding.check, Escaped(&place)))?;
    output::line(format!("{INDENT}{}", Escaped(&finding.what)))?;
    output::line(format!("{INDENT}why:  {}", Escaped(&finding.why)))?;
    for next in &finding.next {
        output::line(match next {
            Next::Sql(statement) => format!("{INDENT}SQL:  {}", Escaped(statement)),
            Next::Run(command) => format!("{INDENT}run:  {}", Escaped(command)),
            other => format!("{INDENT}next: {other}"),
        })?;
    }
    Ok(())
}

fn coloured(severity: Severity, text: String) -> String {
    if !output::is_coloured(&io::stdout()) {
        return text;
    }
    match severity {
        Severity::Critical => text.red().bold().to_string(),
        Severity::Warning => text.yellow().bold().to_string(),
        Severity::Note => text.cyan().to_string(),
        _ => text.green().to_string(),
    }
}
