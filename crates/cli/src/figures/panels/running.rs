//! The running statements.

use tallybook::{Escaped, RunningReport};

use crate::figures::format::time;
use crate::figures::grid::{Column, Grid, Kind};
use crate::figures::rated_report::RatedReport;

pub(super) fn grid(rated: &RatedReport) -> Grid {
    let columns: [Column<&RunningReport>; 3] = [
        Column::number("for", 0, |running| time(running.running)),
        Column::new("call site", Kind::Site, 0, |running| running.at.to_string()),
        Column::new("statement", Kind::Text, 0, |running| running.statement.clone()),
    ];
    Grid::new(&columns, &rated.report.running)
}

pub(super) fn keys(rated: &RatedReport) -> Vec<String> {
    let key = |running: &RunningReport| format!("{} {}", running.fingerprint, running.at);
    rated.report.running.iter().map(key).collect()
}

pub(super) fn detail(rated: &RatedReport, index: usize) -> Option<String> {
    let RunningReport { statement, fingerprint, at, running, .. } = rated.report.running.get(index)?;
    let (running, statement, fingerprint) = (time(*running), Escaped(statement), Escaped(fingerprint));
    Some(format!(
        "{statement}\n\nfingerprint  {fingerprint}\ncall site    {at}\nrunning      for {running}\n"
    ))
}
