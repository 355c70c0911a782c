//! Tables that a revision would create and that exist without a record of that.

use tallybook_core::driver::Connection;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::params;
use tallybook_sql::query::all;

use crate::adopt::adoption_record::LastAdoption;
use crate::catalog::{self, fetch};
use crate::history::history_name::{DEFAULT_HISTORY, HistoryName, split_id};
use crate::history::{self, History};
use crate::steps::revision::Revision;
use crate::steps::step::Action;

/// These tables, with the index of the revision that would create each.
#[derive(Clone, Debug)]
pub(crate) struct Unrecorded(Vec<(usize, &'static str)>);

/// Reads the history, and finds tables that exist without a record.
///
/// The tables are read before the history: a concurrent runner records a table in the transaction that creates it.
pub(crate) async fn read(
    connection: &mut Connection,
    name: HistoryName<'_>,
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

/// Returns whether the database is adopted and not handed back since.
async fn is_adopted(connection: &mut Connection, name: HistoryName<'_>) -> Result<bool> {
    Ok(name.0 == DEFAULT_HISTORY && LastAdoption::read(connection).await?.adopted().is_some())
}

/// Returns the error for tables that exist without a record.
pub(crate) async fn unrecorded_error(
    connection: &mut Connection,
    name: HistoryName<'_>,
    revision: &Revision,
    tables: &[&str],
) -> Result<Error> {
    let mut message = format!(
        "{} there already, but no record says that revision {} ({}){} created {}. Nothing was changed",
        listed(tables),
        revision.id,
        revision.name,
        name.suffix(),
        if tables.len() == 1 { "it" } else { "them" }
    );
    let creating_revision = match tables.first() {
        Some(table) => creating_revision(connection, table).await?,
        None => None,
    };
    message += &match creating_revision {
        Some(stored) => {
            let (of, id) = split_id(&stored);
            format!(
                ". Revision {id} of the history {of} created {}. If that is the same revision, Migrator::carry_over moves \
                 its record here; else give one of the two tables another name",
                tables[0]
            )
        }
        None if name.0 == DEFAULT_HISTORY => ". If another tool made this database, look at it with `tallybook migrate adopt \
             --dry-run` and take it over with `tallybook migrate adopt` (in a program: Migrator::adopt); else rename \
             what is there"
            .to_owned(),
        None => ". Rename it, or give the one of the revision another name".to_owned(),
    };
    Ok(Error::revision(message))
}

/// Returns the stored identifier of the revision that created a table, of any history.
async fn creating_revision(connection: &mut Connection, table: &str) -> Result<Option<String>> {
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
    /// Returns the tables' names; none if the database is adopted.
    pub(crate) async fn not_adopted(
        &self,
        connection: &mut Connection,
        name: HistoryName<'_>,
    ) -> Result<Vec<&'static str>> {
        let is_adopted = self.is_adopted(connection, name).await?;
        let tables = self.0.iter().filter(|_| !is_adopted);
        Ok(tables.map(|(_, table)| *table).collect())
    }

    /// Returns whether there are such tables in an adopted database: then an upgrade takes them over.
    pub(crate) async fn is_adopted(
        &self,
        connection: &mut Connection,
        name: HistoryName<'_>,
    ) -> Result<bool> {
        Ok(!self.0.is_empty() && is_adopted(connection, name).await?)
    }

    /// Returns an error if an upgrade to this position would take over unrecorded tables.
    pub(crate) async fn check(
        &self,
        connection: &mut Connection,
        name: HistoryName<'_>,
        revisions: &[Revision],
        position: usize,
    ) -> Result<()> {
        let Some(&(first, _)) = self.0.iter().find(|(index, _)| *index < position) else { return Ok(()) };
        if self.is_adopted(connection, name).await? {
            return Ok(());
        }
        let tables: Vec<_> =
            self.0.iter().filter(|(index, _)| *index == first).map(|(_, table)| *table).collect();
        Err(unrecorded_error(connection, name, &revisions[first], &tables).await?)
    }

    /// Returns advice for a database in which no revision is completely applied.
    pub(crate) async fn advice(&self, connection: &mut Connection, name: HistoryName<'_>) -> Result<String> {
        let tables = self.not_adopted(connection, name).await?;
        Ok(match name.0 == DEFAULT_HISTORY && !tables.is_empty() {
            true => format!(
                "{} there, and the database is not adopted\nnext: tallybook migrate adopt --dry-run",
                listed(&tables)
            ),
            false => "next: tallybook migrate upgrade".to_owned(),
        })
    }
}
