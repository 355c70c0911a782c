//! Tables that a revision would create and that are there, although nothing records that it created them.

use super::catalog::{self, fetch};
use super::history::{self, History};
use super::name::{MAIN, Name, parted};
use super::revision::Revision;
use super::step::Action;
use crate::driver::Connection;
use crate::error::{Error, Result};
use crate::params;
use crate::query::{all, optional};

/// Such tables, with the index of the revision that would create each.
#[derive(Clone, Debug)]
pub(super) struct Unrecorded(Vec<(usize, &'static str)>);

/// What is recorded, and the tables that should be recorded and are not.
///
/// The tables are read before the record: a runner beside this one records a table in the transaction that creates
/// it.
pub(super) async fn look(
    connection: &mut Connection,
    name: Name<'_>,
    revisions: &[Revision],
) -> Result<(History, Unrecorded)> {
    let tables = catalog::tables(connection).await?;
    let history = history::read(connection, name, revisions).await?;
    let mut known: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for (index, revision) in revisions.iter().enumerate() {
        for (number, step) in revision.steps().iter().enumerate() {
            let Action::Table(table) = &step.action else { continue };
            let is_recorded =
                history.entries[index].applied_at.is_some() || history.state(index, number).is_some();
            let is_first = !known.contains(&table.name);
            known.push(table.name);
            if is_first && !step.is_inverse && !is_recorded && tables.iter().any(|there| there == table.name)
            {
                found.push((index, table.name));
            }
        }
    }
    Ok((history, Unrecorded(found)))
}

/// Whether the database was adopted, and not handed back since.
async fn is_adopted(connection: &mut Connection, name: Name<'_>) -> Result<bool> {
    if name.0 != MAIN || !catalog::tables(connection).await?.iter().any(|table| table == "tallybook_events") {
        return Ok(false);
    }
    let sql = "SELECT kind FROM tallybook_events WHERE kind IN ('adopt', 'release') ORDER BY at DESC, kind DESC LIMIT 1";
    let last = fetch(connection, optional::<(String,)>(sql, params![])).await?;
    Ok(last.is_some_and(|(kind,)| kind == "adopt"))
}

/// The error for a table that is there and that nothing records.
pub(super) async fn refusal(
    connection: &mut Connection,
    name: Name<'_>,
    revision: &Revision,
    tables: &[&str],
) -> Result<Error> {
    let mut told = format!(
        "{} there already, and nothing records that revision {} ({}){} created {}. Nothing was changed",
        listed(tables),
        revision.id,
        revision.name,
        name.of(),
        if tables.len() == 1 { "it" } else { "them" }
    );
    let creator = match tables.first() {
        Some(table) => creator(connection, table).await?,
        None => None,
    };
    told += &match creator {
        Some(stored) => {
            let (of, id) = parted(&stored);
            format!(
                ". Revision {id} of the history {of} created {}. If that is the same revision, Migrator::carry_over moves \
                 its record here; else give one of the two tables another name",
                tables[0]
            )
        }
        None if name.0 == MAIN => ". If another tool made this database, look at it with `tallybook migrate adopt \
             --dry-run` and take it over with `tallybook migrate adopt` (in a program: Migrator::adopt); else rename \
             what is there"
            .to_owned(),
        None => ". Rename it, or give the one of the revision another name".to_owned(),
    };
    Ok(Error::revision(told))
}

/// The stored identifier of the revision that created a table, whatever its history.
async fn creator(connection: &mut Connection, table: &str) -> Result<Option<String>> {
    if !catalog::tables(connection).await?.iter().any(|table| table == "tallybook_steps") {
        return Ok(None);
    }
    let sql = "SELECT revision FROM tallybook_steps WHERE what = $1 AND state = 'done' ORDER BY 1";
    let rows = fetch(connection, all::<(String,)>(sql, params![format!("create {table}")])).await?;
    Ok(rows.into_iter().next().map(|(revision,)| revision))
}

fn listed(tables: &[&str]) -> String {
    match tables {
        [table] => format!("the table {table} is"),
        _ => format!("the tables {} are", tables.join(", ")),
    }
}

impl Unrecorded {
    /// Their names, unless the database was adopted.
    pub(super) async fn not_adopted(
        &self,
        connection: &mut Connection,
        name: Name<'_>,
    ) -> Result<Vec<&'static str>> {
        let is_adopted = self.is_adopted(connection, name).await?;
        let tables = self.0.iter().filter(|_| !is_adopted);
        Ok(tables.map(|(_, table)| *table).collect())
    }

    /// Whether there are such tables, and the database was adopted: then an upgrade takes them.
    pub(super) async fn is_adopted(&self, connection: &mut Connection, name: Name<'_>) -> Result<bool> {
        Ok(!self.0.is_empty() && is_adopted(connection, name).await?)
    }

    /// Refuses to go up to a position if that would take tables over that are not recorded.
    pub(super) async fn check(
        &self,
        connection: &mut Connection,
        name: Name<'_>,
        revisions: &[Revision],
        position: usize,
    ) -> Result<()> {
        let Some(&(first, _)) = self.0.iter().find(|(index, _)| *index < position) else { return Ok(()) };
        if self.is_adopted(connection, name).await? {
            return Ok(());
        }
        let tables: Vec<_> =
            self.0.iter().filter(|(index, _)| *index == first).map(|(_, table)| *table).collect();
        Err(refusal(connection, name, &revisions[first], &tables).await?)
    }

    /// What to do about a database in which no revision is wholly applied.
    pub(super) async fn advice(&self, connection: &mut Connection, name: Name<'_>) -> Result<String> {
        let tables = self.not_adopted(connection, name).await?;
        Ok(match name.0 == MAIN && !tables.is_empty() {
            true => format!(
                "{} there, and the database is not adopted\nnext: tallybook migrate adopt --dry-run",
                listed(&tables)
            ),
            false => "next: tallybook migrate upgrade".to_owned(),
        })
    }
}
