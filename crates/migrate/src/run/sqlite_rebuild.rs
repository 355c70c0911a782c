//! Rebuilds SQLite tables for changes that `ALTER TABLE` does not support.

use std::time::{Duration, Instant};

use tallybook_core::driver::Connection;
use tallybook_core::waiting::retry_pause;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::params;
use tallybook_sql::query::{all, one, optional};
use tallybook_sql::transaction::End;
use tokio::time::sleep;

use crate::catalog::create_table::CreateTable;
use crate::catalog::dangling_references;
use crate::catalog::{self, fetch};
use crate::history::{self, State};
use crate::run::Run;
use crate::run::busy_retry;
use crate::run::disk_space;
use crate::run::probe::{Probe, is_reached, probe};
use crate::run::progress::Progress;
use crate::run::transactional::is_over;
use crate::steps::step::{Action, Direction, Step};

/// Temporary name of the new table.
const NEW_TABLE: &str = "tallybook_new_table";
/// Pause between two attempts, during which other connections take their turn.
const PAUSE: Duration = Duration::from_millis(100);

impl Run<'_> {
    /// Returns whether a step needs a rebuild of its SQLite table.
    pub(crate) async fn needs_rebuild(&mut self, step: &Step, direction: Direction) -> Result<bool> {
        let connection = &mut self.connection;
        match (&step.action, step.takes_away(direction)) {
            (Action::Column { .. }, false) => Ok(probe(connection, step).await? == Probe::Partial),
            (Action::Column { table, column }, true) => {
                if matches!(probe(connection, step).await?, Probe::Missing | Probe::Drift(_)) {
                    return Ok(false);
                }
                let sql = definition(connection, table).await?;
                // SQLite drops no column while any view is broken.
                Ok(CreateTable::parse(&sql)?.constrains(column.name)
                    || !broken_views(connection).await?.is_empty())
            }
            (Action::Key { .. } | Action::Check(_), _) => {
                let found = self.probe_step(step, direction).await?;
                Ok(!is_reached(step, direction, &found))
            }
            _ => Ok(false),
        }
    }

    /// Rebuilds the table of a step.
    pub(crate) async fn rebuild_for(
        &mut self,
        index: usize,
        number: usize,
        direction: Direction,
    ) -> Result<()> {
        let start = Instant::now();
        let place = self.place(index, number, direction);
        if let Some(path) = self.db.settings().database_url.file() {
            // Room for the new table, and for the log that it goes through.
            let needed = 2 * disk_space::file_size(&mut self.connection).await?;
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            disk_space::check(directory.unwrap_or(".".as_ref()), needed, &place.what)?;
        }
        self.options.emit(&Progress::Started(place.clone()));
        let outcome = loop {
            match self.rebuild_once(index, number, direction, &place).await {
                Err(error)
                    if error.code().is_some() && error.is_retryable() && Instant::now() < self.until =>
                {
                    self.clean().await?;
                    sleep(retry_pause(PAUSE)).await;
                }
                outcome => break outcome,
            }
        };
        // The old connection has changed foreign-key settings.
        self.connection = busy_retry::connect(self.db).await?;
        let already = outcome?;
        self.options.emit(&Progress::Done { place, seconds: start.elapsed().as_secs_f64(), already });
        Ok(())
    }

    /// Attempts the rebuild once. Returns whether it was done already.
    async fn rebuild_once(
        &mut self,
        index: usize,
        number: usize,
        direction: Direction,
        place: &crate::run::progress::StepPosition,
    ) -> Result<bool> {
        let revision = &self.revisions[index];
        let step = &revision.steps()[number];
        // Neither has an effect inside a transaction. With foreign keys on, dropping the old table would delete or
        // block its children; and renaming the new one must not rewrite references to it.
        self.connection.script("PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON").await?;
        let history = self.begin().await?;
        if is_over(&history, index, direction) {
            self.end(End::Rollback).await?;
            return Ok(true);
        }
        self.check_other_histories(&history, index, direction).await?;
        if direction == Direction::Down {
            let marks = self.mark_reverting(&history, index);
            self.write_in_transaction(marks).await?;
        }
        let found = self.probe_step(step, direction).await?;
        let already = is_reached(step, direction, &found);
        if !already {
            rebuild(&mut self.connection, step, direction).await?;
            self.verify(step, direction).await?;
            self.options.emit(&Progress::Applied(place.clone()));
        }
        let state = if direction == Direction::Up { State::Done } else { State::Reverted };
        self.write_in_transaction(vec![history::record_step(self.name, revision, number, state)]).await?;
        self.end(End::Commit).await?;
        Ok(already)
    }
}

/// Returns the statements that rebuild the table of a step, up and down, for a plan.
pub(crate) async fn planned(
    connection: &mut Connection,
    step: &Step,
    is_done: bool,
) -> Result<[Vec<String>; 2]> {
    let table = step.table_name().unwrap_or_default();
    let Some(found) = catalog::table(connection, table).await? else {
        let later =
            format!("-- {table} does not exist yet: it is rebuilt from the definition it has by then");
        return Ok([vec![later.clone()], vec![later]]);
    };
    let dependent_objects = dependent_objects(connection, table).await?;
    let mut definition = definition(connection, table).await?;
    let mut rebuild_sql = |direction| {
        let old = CreateTable::parse(&definition)?;
        let Some(items) = items(&old, step, direction)? else { return Ok(Vec::new()) };
        let create = CreateTable::create(&items, old.options(), NEW_TABLE);
        definition.clone_from(&create);
        let moves = swap_statements(table, found.columns.iter().map(|column| &*column.name));
        Ok::<_, Error>([create].into_iter().chain(moves).chain(dependent_objects.iter().cloned()).collect())
    };
    // The downgrade begins with the table that the upgrade made.
    let up = if is_done { Vec::new() } else { rebuild_sql(Direction::Up)? };
    Ok([up, rebuild_sql(Direction::Down)?])
}

/// Returns the items of the new table; `None` if nothing changes.
fn items(old: &CreateTable<'_>, step: &Step, direction: Direction) -> Result<Option<Vec<String>>> {
    Ok(match (&step.action, step.takes_away(direction)) {
        (Action::Column { column, .. }, true) => Some(old.without_column(column.name)?),
        (Action::Column { column, .. }, false) => {
            column.key.as_ref().map(|key| old.with_key(column.name, key))
        }
        (Action::Key { column, key, .. }, false) => Some(old.with_key(column, key)),
        (Action::Key { column, key, .. }, true) => Some(old.without_key(column, key)?),
        (Action::Check(check), false) => Some(old.with_constraint(check.sql(Dialect::Sqlite))),
        (Action::Check(check), true) => Some(old.without_check(check.name)?),
        _ => None,
    })
}

/// Returns the definitions of the table's indexes and triggers, which are dropped with it.
async fn dependent_objects(connection: &mut Connection, table: &str) -> Result<Vec<String>> {
    let sql = "SELECT sql FROM sqlite_master WHERE tbl_name = $1 AND type IN ('index', 'trigger') \
               AND sql IS NOT NULL ORDER BY type, rowid";
    let found = fetch(connection, all::<(String,)>(sql, params![table.to_owned()])).await?;
    Ok(found.into_iter().map(|(sql,)| sql).collect())
}

async fn rebuild(connection: &mut Connection, step: &Step, direction: Direction) -> Result<()> {
    let table = step.table_name().unwrap_or_default();
    let sql = definition(connection, table).await?;
    let old = CreateTable::parse(&sql)?;
    let Some(items) = items(&old, step, direction)? else { return Ok(()) };
    let (rows, broken) = (count(connection, table).await?, broken_keys(connection).await?);
    let views = broken_views(connection).await?;
    let dependent_objects = dependent_objects(connection, table).await?;
    let autoincrement_value = autoincrement_value(connection, table).await?;
    copy(connection, table, &CreateTable::create(&items, old.options(), NEW_TABLE)).await?;
    for sql in dependent_objects {
        connection.script(&sql).await?;
    }
    if let Some(autoincrement_value) = autoincrement_value {
        let sql = format!("UPDATE sqlite_sequence SET seq = {autoincrement_value} WHERE name = '{table}'");
        connection.script(&sql).await?;
    }
    let (rows_now, broken_now) = (count(connection, table).await?, broken_keys(connection).await?);
    if rows_now != rows {
        return Err(Error::revision(format!("{table} had {rows} rows and has {rows_now} after the rebuild")));
    }
    if broken_now > broken {
        return Err(Error::revision(dangling_error(step, broken_now - broken)));
    }
    match broken_views(connection).await?.into_iter().find(|view| !views.contains(view)) {
        Some(view) => Err(Error::revision(format!("the view {view} would no longer work; drop it first"))),
        None => Ok(()),
    }
}

/// Explains how to correct the rows that violate a new foreign key. SQLite's own check does not find them, since
/// the key was rolled back.
fn dangling_error(step: &Step, count: i64) -> String {
    let (table, column, key) = match &step.action {
        Action::Column { table, column } => (*table, column.name, column.key),
        Action::Key { table, column, key } => (*table, *column, Some(*key)),
        _ => ("", "", None),
    };
    let Some(key) = key else { return format!("{count} rows refer to rows that are not there") };
    format!(
        "{count} rows of {table} refer by {column} to {} that are not there; look at them with: {}; correct them and run \
         again",
        key.table,
        dangling_references::query(table, column, key.table)
    )
}

/// Creates the new table, copies the rows, and puts it in place of the old one.
async fn copy(connection: &mut Connection, table: &str, create: &str) -> Result<()> {
    connection.script(create).await?;
    let found = catalog::table(connection, NEW_TABLE).await?.unwrap_or_default();
    for sql in swap_statements(table, found.columns.iter().map(|column| &*column.name)) {
        connection.script(&sql).await?;
    }
    Ok(())
}

/// Returns the statements that put the new table in place of the old one.
fn swap_statements<'a>(table: &str, columns: impl Iterator<Item = &'a str>) -> [String; 3] {
    let columns =
        columns.map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect::<Vec<_>>().join(", ");
    [
        format!("INSERT INTO {NEW_TABLE} ({columns}) SELECT {columns} FROM {table}"),
        format!("DROP TABLE {table}"),
        format!("ALTER TABLE {NEW_TABLE} RENAME TO {table}"),
    ]
}

async fn definition(connection: &mut Connection, table: &str) -> Result<String> {
    let sql = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = $1";
    let found = fetch(connection, optional::<(String,)>(sql, params![table.to_owned()])).await?;
    found.map(|(sql,)| sql).ok_or_else(|| Error::revision(format!("there is no table {table}")))
}

async fn count(connection: &mut Connection, table: &str) -> Result<i64> {
    Ok(fetch(connection, one::<(i64,)>(format!("SELECT count(*) FROM {table}"), params![])).await?.0)
}

/// Counts the rows that violate a foreign key.
async fn broken_keys(connection: &mut Connection) -> Result<i64> {
    let sql = "SELECT count(*) FROM pragma_foreign_key_check";
    Ok(fetch(connection, one::<(i64,)>(sql, params![])).await?.0)
}

/// Returns the last identifier that a table with `AUTOINCREMENT` generated.
async fn autoincrement_value(connection: &mut Connection, table: &str) -> Result<Option<i64>> {
    let there = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence')";
    if !fetch(connection, one::<(bool,)>(there, params![])).await?.0 {
        return Ok(None);
    }
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = $1";
    let found = fetch(connection, optional::<(i64,)>(sql, params![table.to_owned()])).await?;
    Ok(found.map(|(seq,)| seq))
}

/// Returns the names of views that cannot be read.
async fn broken_views(connection: &mut Connection) -> Result<Vec<String>> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY name";
    let mut broken = Vec::new();
    for (view,) in fetch(connection, all::<(String,)>(sql, params![])).await? {
        let look = format!("SELECT 1 FROM \"{}\" LIMIT 0", view.replace('"', "\"\""));
        if connection.script(&look).await.is_err() {
            broken.push(view);
        }
    }
    Ok(broken)
}
