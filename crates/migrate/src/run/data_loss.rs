//! Refuses downgrades that would lose data.

use std::ops::Range;

use tallybook_sql::error::{Error, Result};
use tallybook_sql::params;
use tallybook_sql::query::one;

use crate::catalog::{self, fetch};
use crate::run::Run;
use crate::steps::step::{Action, Direction};

impl Run<'_> {
    /// Returns an error if anything that a downgrade of these revisions drops holds data. One `count` for each
    /// table and column.
    pub(crate) async fn check_loss(&mut self, revisions: Range<usize>) -> Result<()> {
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

/// Describes the data that is lost when the result of an action is dropped.
async fn lost_by(
    connection: &mut tallybook_core::driver::Connection,
    action: &Action,
) -> Result<Option<String>> {
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
