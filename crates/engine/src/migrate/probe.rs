//! Whether a step is done.

use super::catalog::{self, Found};
use super::column::Key;
use super::difference::{self, Difference};
use super::step::{Action, Step};
use super::table::Table;
use crate::driver::Connection;
use crate::error::{Error, Result};
use crate::settings::Engine;

/// What a look at the database says of a step's action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// What it makes is not there.
    Missing,
    /// A column is there, its key is not; or an index is, and invalid.
    Partial,
    Done,
    /// Something else is there, which nothing may overwrite.
    Drift(String),
    /// Only its record can tell.
    Unknown,
}

/// Looks whether what the action of `step` makes is there.
pub(super) async fn probe(connection: &mut Connection, step: &Step) -> Result<Probe> {
    let engine = connection.engine();
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
        (Action::Table(table), Some(found)) => drift(table_differs(table, &found, engine)),
        (_, None) => Probe::Missing,
        (Action::Column { table, column }, Some(found)) => match found.column(column.name) {
            None => Probe::Missing,
            Some(_) => match drift(difference::column(table, column, &found, engine)) {
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
    let told: Vec<_> =
        differences.into_iter().filter(Difference::is_blocking).map(|one| one.to_string()).collect();
    if told.is_empty() { Probe::Done } else { Probe::Drift(told.join("; ")) }
}

/// What differs in the columns that a table is created with; it may have got more since.
fn table_differs(table: &Table, found: &Found, engine: Engine) -> Vec<Difference> {
    table.columns.iter().flat_map(|column| difference::column(table.name, column, found, engine)).collect()
}

fn probe_key(found: &Found, column: &str, key: Key) -> Probe {
    match found.key_of(column) {
        None => Probe::Missing,
        Some(there) if there.table == key.table && there.to == ["id"] => Probe::Done,
        Some(there) => Probe::Drift(format!("{column} refers to {} ({})", there.table, there.to.join(", "))),
    }
}

fn probe_validated(found: &Found, key: &str) -> Probe {
    match found.keys.iter().find(|there| there.name.as_deref() == Some(key)) {
        Some(there) if there.is_valid => Probe::Done,
        Some(_) => Probe::Missing,
        // SQLite has no names for keys, and no keys that are not valid. PostgreSQL's may be there by another name,
        // if another tool made it.
        None => match found.keys.iter().any(|there| !there.is_valid) {
            true => Probe::Drift(format!("there is no key {key}, and another one is not validated")),
            false => Probe::Done,
        },
    }
}

/// The error for something that is there and differs.
pub(super) fn drifted(what: &str, differs: &str) -> Error {
    Error::revision(format!(
        "\"{what}\" found something else in its place and left it as it is: {differs}. Nothing was overwritten; \
         rename or drop what is there, or make it what is expected, and run again"
    ))
}
