//! N+1 loops and redundant reads.

use tallybook_engine::{Escaped, Finding};

use crate::figures::format::{count, time};
use crate::figures::grid::{Column, Grid, Kind};
use crate::figures::shown::Shown;

pub(super) fn grid(shown: &Shown) -> Grid {
    let columns: [Column<&Finding>; 7] = [
        Column::number("lost", 0, |finding| time(finding.lost)),
        Column::new("grade", Kind::Word, 0, |finding| finding.grade.to_string()),
        Column::number("runs", 0, |finding| count(finding.runs)),
        Column::number("scopes", 1, |finding| count(finding.scopes)),
        Column::new("call site", Kind::Site, 0, |finding| finding.at.to_string()),
        Column::new("statement", Kind::Word, 2, |finding| finding.summary.clone()),
        Column::new("instead", Kind::Text, 0, |finding| finding.instead.clone()),
    ];
    Grid::new(&columns, &shown.report.findings)
}

pub(super) fn keys(shown: &Shown) -> Vec<String> {
    let key = |finding: &Finding| format!("{} {} {}", finding.grade, finding.fingerprint, finding.at);
    shown.report.findings.iter().map(key).collect()
}

pub(super) fn detail(shown: &Shown, index: usize) -> Option<String> {
    let finding = shown.report.findings.get(index)?;
    Some(format!(
        "{finding}\n\nfingerprint  {}\n\n{}\n",
        Escaped(&finding.fingerprint),
        Escaped(&finding.statement)
    ))
}
