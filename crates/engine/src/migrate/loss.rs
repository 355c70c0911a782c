//! What going back would lose.

use std::ops::Range;

use super::catalog::{self, fetch};
use super::run::Run;
use super::step::{Action, Direction};
use crate::error::{Error, Result};
use crate::params;
use crate::query::one;

impl Run<'_> {
    /// Refuses if anything that goes with these revisions holds data.
    pub(super) async fn check_loss(&mut self, revisions: Range<usize>) -> Result<()> {
        let mut lost: Vec<String> = Vec::new();
        for revision in &self.revisions[revisions] {
            for step in revision.steps().iter().filter(|step| step.takes_away(Direction::Down)) {
                lost.extend(lost_by(&mut self.connection, &step.action).await?);
            }
        }
        if lost.is_empty() {
            return Ok(());
        }
        Err(Error::revision(format!(
            "going back would lose data: {}. Nothing was changed; keep a copy and say --force (in a program: \
             Migrator::force) to lose it",
            lost.join(", ")
        )))
    }
}

/// What goes with what an action made.
async fn lost_by(connection: &mut crate::driver::Connection, action: &Action) -> Result<Option<String>> {
    let (table, count) = match action {
        Action::Table(table) => (table.name, "*"),
        Action::Column { table, column } => (*table, column.name),
        _ => return Ok(None),
    };
    let Some(found) = catalog::table(connection, table).await? else { return Ok(None) };
    if count != "*" && found.column(count).is_none() {
        return Ok(None);
    }
    let query = one::<(i64,)>(format!("SELECT count({count}) FROM {table}"), params![]);
    let (number, s) = match fetch(connection, query).await?.0 {
        0 => return Ok(None),
        1 => (1, ""),
        number => (number, "s"),
    };
    Ok(Some(match count {
        "*" => format!("table {table} holds {number} row{s}"),
        column => format!("column {table}.{column} holds {number} value{s}"),
    }))
}
