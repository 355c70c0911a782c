//! Detects whether a step is done.

use tallybook_core::driver::Connection;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Result};

use crate::catalog::{self, ActualTable};
use crate::compare::difference::{self, Difference};
use crate::compare::expressions;
use crate::compare::index_match;
use crate::steps::column::{Column, Key};
use crate::steps::step::{Action, Direction, Step};
use crate::steps::table::Table;

/// The state of a step's result in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// It does not exist.
    Missing,
    /// A column exists without its foreign key, an index exists but is invalid, or one to make unique does not exist.
    Partial,
    Done,
    /// A different object of that name exists, which nothing may overwrite.
    Drift(String),
    /// There is nothing to do on this dialect.
    NotNeeded,
    /// Only the history can tell.
    Unknown,
}

/// Looks for the result of a step's action.
pub(crate) async fn probe(connection: &mut Connection, step: &Step) -> Result<Probe> {
    let dialect = connection.dialect();
    if let Action::Index(wanted) = &step.action {
        return Ok(match index_match::find(connection, wanted).await? {
            None => Probe::Missing,
            Some(there) if !there.is_valid && difference::is_same(wanted, &there) => Probe::Partial,
            Some(there) => drift(difference::index(wanted, Some(&there), dialect)),
        });
    }
    if let Action::Unique(wanted) = &step.action {
        return Ok(match index_match::find(connection, wanted).await? {
            None => Probe::Partial,
            Some(there) if !difference::is_same(wanted, &there) => {
                drift(difference::index(wanted, Some(&there), dialect))
            }
            Some(there) if !there.is_valid => Probe::Partial,
            Some(there) if there.is_unique => Probe::Done,
            Some(_) => Probe::Missing,
        });
    }
    if let Action::Enum(wanted) = &step.action {
        if dialect == Dialect::Sqlite {
            return Ok(Probe::NotNeeded);
        }
        return Ok(match catalog::enum_labels(connection, wanted.name).await? {
            None => Probe::Missing,
            Some(labels) => drift(expressions::enum_type(wanted, Some(&labels))),
        });
    }
    let Some(name) = step.table_name() else { return Ok(Probe::Unknown) };
    let found = catalog::table(connection, name).await?;
    Ok(match (&step.action, found) {
        (Action::Table(_), None) => Probe::Missing,
        (Action::Table(table), Some(found)) => drift(table_differs(connection, table, &found).await?),
        (_, None) => Probe::Missing,
        (Action::Column { table, column }, Some(found)) => match found.column(column.name) {
            None => Probe::Missing,
            Some(_) => match drift(columns_differ(connection, table, &[*column], &found).await?) {
                Probe::Done => {
                    column.key.map_or(Probe::Done, |key| match probe_key(&found, column.name, key) {
                        Probe::Missing => Probe::Partial,
                        probe => probe,
                    })
                }
                probe => probe,
            },
        },
        (Action::Key { column, key, .. }, Some(found)) => probe_key(&found, column, *key),
        (Action::Check(check), Some(found)) => {
            match found.checks.iter().any(|there| there.name.as_deref() == Some(check.name)) {
                true => drift(
                    expressions::differences(connection, check.table, &[], &[*check], &[], &found).await?,
                ),
                false => Probe::Missing,
            }
        }
        (Action::Validate { constraint, .. }, Some(found)) => probe_validated(&found, constraint),
        (Action::Index(_) | Action::Unique(_) | Action::Enum(_) | Action::Sql(_), _) => Probe::Unknown,
    })
}

fn drift(differences: impl IntoIterator<Item = Difference>) -> Probe {
    let differences: Vec<_> =
        differences.into_iter().filter(Difference::is_blocking).map(|one| one.to_string()).collect();
    if differences.is_empty() { Probe::Done } else { Probe::Drift(differences.join("; ")) }
}

/// Compares the columns that a table is created with. It may have gained more since.
async fn table_differs(
    connection: &mut Connection,
    table: &Table,
    found: &ActualTable,
) -> Result<Vec<Difference>> {
    columns_differ(connection, table.name, table.columns, found).await
}

async fn columns_differ(
    connection: &mut Connection,
    table: &str,
    columns: &[Column],
    found: &ActualTable,
) -> Result<Vec<Difference>> {
    let dialect = connection.dialect();
    let mut differences: Vec<_> =
        columns.iter().flat_map(|column| difference::column(table, column, found, dialect)).collect();
    differences.extend(expressions::differences(connection, table, columns, &[], &[], found).await?);
    Ok(differences)
}

fn probe_key(found: &ActualTable, column: &str, key: Key) -> Probe {
    match found.key_of(column) {
        None => Probe::Missing,
        Some(there) if there.table == key.table && there.to == ["id"] => Probe::Done,
        Some(there) => Probe::Drift(format!("{column} refers to {} ({})", there.table, there.to.join(", "))),
    }
}

fn probe_validated(found: &ActualTable, key: &str) -> Probe {
    if let Some(check) = found.checks.iter().find(|there| there.name.as_deref() == Some(key)) {
        return if check.is_valid { Probe::Done } else { Probe::Missing };
    }
    match found.keys.iter().find(|there| there.name.as_deref() == Some(key)) {
        Some(there) if there.is_valid => Probe::Done,
        Some(_) => Probe::Missing,
        // SQLite neither names foreign keys nor leaves them unvalidated. On PostgreSQL another tool may have
        // chosen another name.
        None => match found.keys.iter().any(|there| !there.is_valid) {
            true => Probe::Drift(format!("there is no key {key}, and another one is not validated")),
            false => Probe::Done,
        },
    }
}

/// Returns whether the probed state is the one that the direction leads to.
pub(crate) fn is_reached(step: &Step, direction: Direction, found: &Probe) -> bool {
    match (&step.action, step.takes_away(direction)) {
        (Action::Validate { .. }, true) => true,
        _ if *found == Probe::NotNeeded => true,
        (_, true) => *found == Probe::Missing,
        (_, false) => *found == Probe::Done,
    }
}

/// Returns the error for an object that exists and differs.
pub(crate) fn drifted(what: &str, differs: &str) -> Error {
    Error::revision(format!(
        "\"{what}\" found something else in its place and left it as it is: {differs}. Nothing was overwritten; \
         rename or drop what is there, or make it what is expected, and run again"
    ))
}
