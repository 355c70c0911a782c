//! What is running now.

use tallybook_engine::{Escaped, RunningReport};

use crate::figures::format::time;
use crate::figures::grid::{Column, Grid, Kind};
use crate::figures::shown::Shown;

pub(super) fn grid(shown: &Shown) -> Grid {
    let columns: [Column<&RunningReport>; 3] = [
        Column::number("for", 0, |running| time(running.running)),
        Column::new("call site", Kind::Site, 0, |running| running.at.to_string()),
        Column::new("statement", Kind::Text, 0, |running| running.statement.clone()),
    ];
    Grid::new(&columns, &shown.report.running)
}

pub(super) fn keys(shown: &Shown) -> Vec<String> {
    let key = |running: &RunningReport| format!("{} {}", running.fingerprint, running.at);
    shown.report.running.iter().map(key).collect()
}

pub(super) fn detail(shown: &Shown, index: usize) -> Option<String> {
    let RunningReport { statement, fingerprint, at, running, .. } = shown.report.running.get(index)?;
    let (running, statement, fingerprint) = (time(*running), Escaped(statement), Escaped(fingerprint));
    Some(format!(
        "{statement}\n\nfingerprint  {fingerprint}\ncall site    {at}\nrunning      for {running}\n"
    ))
}
