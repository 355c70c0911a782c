//! Statements that were slow or failed.

use tallybook_engine::{Escaped, Noted};

use crate::figures::format::{count, time};
use crate::figures::grid::{Column, Grid, Kind};
use crate::figures::shown::Shown;

pub(super) fn grid(shown: &Shown) -> Grid {
    let columns: [Column<&Noted>; 7] = [
        Column::new("ended (UTC)", Kind::Word, 0, |noted| noted.ended.format("%T").to_string()),
        Column::number("took", 0, |noted| time(noted.took)),
        Column::number("waited", 3, |noted| time(noted.waited)),
        Column::number("rows", 2, |noted| count(noted.rows)),
        Column::new("failed by", Kind::Word, 0, |noted| noted.failure.clone().unwrap_or_default()),
        Column::new("call site", Kind::Site, 1, |noted| noted.at.to_string()),
        Column::new("statement", Kind::Text, 0, |noted| noted.statement.clone()),
    ];
    Grid::new(&columns, &shown.report.noted)
}

pub(super) fn keys(shown: &Shown) -> Vec<String> {
    shown.report.noted.iter().map(|noted| format!("{} {}", noted.ended, noted.fingerprint)).collect()
}

pub(super) fn detail(shown: &Shown, index: usize) -> Option<String> {
    let noted = shown.report.noted.get(index)?;
    let plan = || {
        let statements = &shown.report.statements;
        let statement = statements.iter().find(|statement| statement.fingerprint == noted.fingerprint);
        statement.and_then(|statement| statement.plan.as_deref()).unwrap_or("none was asked for\n")
    };
    Some(format!(
        "{}\n\nfingerprint  {}\ncall site    {}\nended        {}\ntook         {}\nwaited       {} for a connection\n\
         rows         {}\nfailed by    {}\nparameters   {}\n\nPlan, when it was last slow:\n{}",
        Escaped(&noted.statement),
        Escaped(&noted.fingerprint),
        noted.at,
        noted.ended.format("%F %T%.3f UTC"),
        time(noted.took),
        time(noted.waited),
        noted.rows,
        Escaped(noted.failure.as_deref().unwrap_or("nothing: it was slow")),
        Escaped(noted.parameters.as_deref().unwrap_or("not shown (DB_LOG_PARAMETERS)")),
        plan(),
    ))
}
