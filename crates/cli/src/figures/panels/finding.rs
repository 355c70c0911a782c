//! N+1 loops and redundant reads.

use tallybook::{Escaped, QueryFinding};

use crate::figures::format::{count, time};
use crate::figures::grid::{Column, Grid, Kind};
use crate::figures::rated_report::RatedReport;

pub(super) fn grid(rated: &RatedReport) -> Grid {
    let columns: [Column<&QueryFinding>; 7] = [
        Column::number("lost", 0, |finding| time(finding.lost)),
        Column::new("confidence", Kind::Word, 0, |finding| finding.confidence.to_string()),
        Column::number("runs", 0, |finding| count(finding.runs)),
        Column::number("scopes", 1, |finding| count(finding.scopes)),
        Column::new("call site", Kind::Site, 0, |finding| finding.at.to_string()),
        Column::new("statement", Kind::Word, 2, |finding| finding.summary.clone()),
        Column::new("instead", Kind::Text, 0, |finding| finding.suggestion.clone()),
    ];
    Grid::new(&columns, &rated.report.findings)
}

pub(super) fn keys(rated: &RatedReport) -> Vec<String> {
    let key =
        |finding: &QueryFinding| format!("{} {} {}", finding.confidence, finding.fingerprint, finding.at);
    rated.report.findings.iter().map(key).collect()
}

pub(super) fn detail(rated: &RatedReport, index: usize) -> Option<String> {
    let finding = rated.report.findings.get(index)?;
    Some(format!(
        "{finding}\n\nfingerprint  {}\n\n{}\n",
        Escaped(&finding.fingerprint),
        Escaped(&finding.statement)
    ))
}
