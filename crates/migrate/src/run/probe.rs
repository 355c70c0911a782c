//! Detects whether a step is done.

use tallybook_core::driver::Connection;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Result};

use crate::catalog::{self, ActualTable};
use crate::compare::difference::{self, Difference};
use crate::steps::column::Key;
use crate::steps::step::{Action, Direction, Step};
use crate::steps::table::Table;

/// The state of a step's result in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// It does not exist.
    Missing,
    /// A column exists without its foreign key, or an index exists but is invalid.
    Partial,
    Done,
    /// A different object of that name exists, which nothing may overwrite.
    Drift(String),
    /// Only the history can tell.
    Unknown,
}

/// Looks for the result of a step's action.
pub(crate) async fn probe(connection: &mut Connection, step: &Step) -> Result<Probe> {
    let dialect = connection.dialect();
    if let Action::Index(wanted) = &step.action {
        return Ok(match catalog::index(connection, wanted.name).await? {
            None => Probe::Missing,
            Some(there) if !there.is_valid && difference::is_same(wanted, &there) => Probe::Partial,
            Some(there) => drift(difference::index(wanted, Some(&there))),
        });
    }
    let Some(name) = step.table_name() else { return Ok(Probe::Unknown) };
    let found = catalog::table(connection, name).await?;
    Ok(match (&step.action, found) {
        (Action::Table(_), None) => Probe::Missing,
        (Action::Table(table), Some(found)) => drift(table_differs(table, &found, dialect)),
        (_, None) => Probe::Missing,
        (Action::Column { table, column }, Some(found)) => match found.column(column.name) {
            None => Probe::Missing,
            Some(_) => match drift(difference::column(table, column, &found, dialect)) {
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
        (Action::Validate { key, .. }, Some(found)) => probe_validated(&found, key),
        (Action::Index(_) | Action::Sql(_), _) => Probe::Unknown,
    })
}

fn drift(differences: impl IntoIterator<Item = Difference>) -> Probe {
    let differences: Vec<_> =
        differences.into_iter().filter(Difference::is_blocking).map(|one| one.to_string()).collect();
    if differences.is_empty() { Probe::Done } else { Probe::Drift(differences.join("; ")) }
}

/// Compares the columns that a table is created with. It may have gained more since.
fn table_differs(table: &Table, found: &ActualTable, dialect: Dialect) -> Vec<Difference> {
    table.columns.iter().flat_map(|column| difference::column(table.name, column, found, dialect)).collect()
}

fn probe_key(found: &ActualTable, column: &str, key: Key) -> Probe {
    match found.key_of(column) {
        None => Probe::Missing,
        Some(there) if there.table == key.table && there.to == ["id"] => Probe::Done,
        Some(there) => Probe::Drift(format!("{column} refers to {} ({})", there.table, there.to.join(", "))),
    }
}

fn probe_validated(found: &ActualTable, key: &str) -> Probe {
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
