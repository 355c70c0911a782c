//! Statements that were slow or failed.

use tallybook::{Escaped, StatementEvent};

use crate::figures::format::{count, time};
use crate::figures::grid::{Column, Grid, Kind};
use crate::figures::rated_report::RatedReport;

pub(super) fn grid(rated: &RatedReport) -> Grid {
    let columns: [Column<&StatementEvent>; 7] = [
        Column::new("ended (UTC)", Kind::Word, 0, |event| event.ended.format("%T").to_string()),
        Column::number("took", 0, |event| time(event.took)),
        Column::number("waited", 3, |event| time(event.waited)),
        Column::number("rows", 2, |event| count(event.rows)),
        Column::new("failed by", Kind::Word, 0, |event| event.failure.clone().unwrap_or_default()),
        Column::new("call site", Kind::Site, 1, |event| event.at.to_string()),
        Column::new("statement", Kind::Text, 0, |event| event.statement.clone()),
    ];
    Grid::new(&columns, &rated.report.events)
}

pub(super) fn keys(rated: &RatedReport) -> Vec<String> {
    rated.report.events.iter().map(|event| format!("{} {}", event.ended, event.fingerprint)).collect()
}

pub(super) fn detail(rated: &RatedReport, index: usize) -> Option<String> {
    let event = rated.report.events.get(index)?;
    let plan = || {
        let statements = &rated.report.statements;
        let statement = statements.iter().find(|statement| statement.fingerprint == event.fingerprint);
        statement.and_then(|statement| statement.plan.as_deref()).unwrap_or("none was requested\n")
    };
    Some(format!(
        "{}\n\nfingerprint  {}\ncall site    {}\nended        {}\ntook         {}\nwaited       {} for a connection\n\
         rows         {}\nfailed by    {}\nparameters   {}\n\nPlan, when it was last slow:\n{}",
        Escaped(&event.statement),
        Escaped(&event.fingerprint),
        event.at,
        event.ended.format("%F %T%.3f UTC"),
        time(event.took),
        time(event.waited),
        event.rows,
        Escaped(event.failure.as_deref().unwrap_or("nothing: it was slow")),
        Escaped(event.parameters.as_deref().unwrap_or("not shown (DB_LOG_PARAMETERS)")),
        plan(),
    ))
}
