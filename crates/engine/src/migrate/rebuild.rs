//! Making an SQLite table anew, where it can't be altered.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::apply::{is_over, is_reached};
use super::catalog::{self, fetch};
use super::definition::Definition;
use super::history::{self, State};
use super::orphans;
use super::patience;
use super::probe::{Probe, probe};
use super::progress::Progress;
use super::run::Run;
use super::space;
use super::step::{Action, Direction, Step};
use crate::driver::{Connection, End};
use crate::error::{Error, Result};
use crate::params;
use crate::query::{all, one, optional};
use crate::settings::{SqliteLocation, Target};
use crate::waiting::activity::jittered;

/// What the new table is called until the old one is gone.
const NEW: &str = "tallybook_new_table";
/// How long to let others go first.
const PAUSE: Duration = Duration::from_millis(100);

impl Run<'_> {
    /// Whether an SQLite table must be made anew for a step.
    pub(super) async fn needs_rebuild(&mut self, step: &Step, direction: Direction) -> Result<bool> {
        let connection = &mut self.connection;
        match (&step.action, step.takes_away(direction)) {
            (Action::Column { .. }, false) => Ok(probe(connection, step).await? == Probe::Partial),
            (Action::Column { table, column }, true) => {
                if matches!(probe(connection, step).await?, Probe::Missing | Probe::Drift(_)) {
                    return Ok(false);
                }
                let sql = definition(connection, table).await?;
                // SQLite drops no column while any view is broken.
                Ok(Definition::parse(&sql)?.constrains(column.name)
                    || !broken_views(connection).await?.is_empty())
            }
            (Action::Key { .. }, _) => {
                let found = self.look(step, direction).await?;
                Ok(!is_reached(step, direction, &found))
            }
            _ => Ok(false),
        }
    }

    /// Makes the table of a step anew, as the step wants it.
    pub(super) async fn rebuild_for(
        &mut self,
        index: usize,
        number: usize,
        direction: Direction,
    ) -> Result<()> {
        let start = Instant::now();
        let place = self.place(index, number, direction);
        if let Target::Sqlite(SqliteLocation::File(path)) = self.db.settings().database_url.target() {
            // The new table, and the log that it goes through.
            let needed = 2 * space::file_size(&mut self.connection).await?;
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            space::check(directory.unwrap_or(".".as_ref()), needed, &place.what)?;
        }
        self.options.emit(&Progress::Started(place.clone()));
        let outcome = loop {
            match self.rebuild_once(index, number, direction, &place).await {
                Err(error)
                    if error.code().is_some() && error.is_retryable() && Instant::now() < self.until =>
                {
                    self.clean().await?;
                    sleep(jittered(PAUSE)).await;
                }
                outcome => break outcome,
            }
        };
        // Its rules about foreign keys were changed.
        self.connection = patience::connect(self.db).await?;
        let already = outcome?;
        self.options.emit(&Progress::Done { place, seconds: start.elapsed().as_secs_f64(), already });
        Ok(())
    }

    /// Whether it was done already.
    async fn rebuild_once(
        &mut self,
        index: usize,
        number: usize,
        direction: Direction,
        place: &super::progress::Place,
    ) -> Result<bool> {
        let revision = &self.revisions[index];
        let step = &revision.steps()[number];
        // Both do nothing inside a transaction. With foreign keys on, dropping the old table would do to its
        // children what deleting its rows does; and renaming the new one must not touch those who name it.
        self.connection.script("PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON").await?;
        let history = self.begin().await?;
        if is_over(&history, index, direction) {
            self.end(End::Rollback).await?;
            return Ok(true);
        }
        self.check_neighbours(&history, index, direction).await?;
        if direction == Direction::Down {
            let marks = self.marks(&history, index);
            self.write_within(marks).await?;
        }
        let found = self.look(step, direction).await?;
        let already = is_reached(step, direction, &found);
        if !already {
            rebuild(&mut self.connection, step, direction).await?;
            self.verify(step, direction).await?;
            self.options.emit(&Progress::Applied(place.clone()));
        }
        let state = if direction == Direction::Up { State::Done } else { State::Gone };
        self.write_within(vec![history::record_step(self.name, revision, number, state)]).await?;
        self.end(End::Commit).await?;
        Ok(already)
    }
}

/// The statements that make the table of a step anew, up and back again, for a plan.
pub(super) async fn planned(
    connection: &mut Connection,
    step: &Step,
    is_done: bool,
) -> Result<[Vec<String>; 2]> {
    let table = step.table_name().unwrap_or_default();
    let Some(found) = catalog::table(connection, table).await? else {
        let later = format!("-- {table} is not there yet: it is made anew from what it will be then");
        return Ok([vec![later.clone()], vec![later]]);
    };
    let others = others(connection, table).await?;
    let mut definition = definition(connection, table).await?;
    let mut made_anew = |direction| {
        let old = Definition::parse(&definition)?;
        let Some(items) = items(&old, step, direction)? else { return Ok(Vec::new()) };
        let create = Definition::create(&items, old.options(), NEW);
        definition.clone_from(&create);
        let moves = moves(table, found.columns.iter().map(|column| &*column.name));
        Ok::<_, Error>([create].into_iter().chain(moves).chain(others.iter().cloned()).collect())
    };
    // The way back begins with what the way there made.
    let up = if is_done { Vec::new() } else { made_anew(Direction::Up)? };
    Ok([up, made_anew(Direction::Down)?])
}

/// What the new table consists of; none if there is nothing to change.
fn items(old: &Definition<'_>, step: &Step, direction: Direction) -> Result<Option<Vec<String>>> {
    Ok(match (&step.action, step.takes_away(direction)) {
        (Action::Column { column, .. }, true) => Some(old.without_column(column.name)?),
        (Action::Column { column, .. }, false) => {
            column.key.as_ref().map(|key| old.with_key(column.name, key))
        }
        (Action::Key { column, key, .. }, false) => Some(old.with_key(column, key)),
        (Action::Key { column, key, .. }, true) => Some(old.without_key(column, key)?),
        _ => None,
    })
}

/// What belongs to a table and goes with it.
async fn others(connection: &mut Connection, table: &str) -> Result<Vec<String>> {
    let sql = "SELECT sql FROM sqlite_master WHERE tbl_name = $1 AND type IN ('index', 'trigger') \
               AND sql IS NOT NULL ORDER BY type, rowid";
    let found = fetch(connection, all::<(String,)>(sql, params![table.to_owned()])).await?;
    Ok(found.into_iter().map(|(sql,)| sql).collect())
}

async fn rebuild(connection: &mut Connection, step: &Step, direction: Direction) -> Result<()> {
    let table = step.table_name().unwrap_or_default();
    let sql = definition(connection, table).await?;
    let old = Definition::parse(&sql)?;
    let Some(items) = items(&old, step, direction)? else { return Ok(()) };
    let (rows, broken) = (count(connection, table).await?, broken_keys(connection).await?);
    let views = broken_views(connection).await?;
    let others = others(connection, table).await?;
    let counter = counter(connection, table).await?;
    copy(connection, table, &Definition::create(&items, old.options(), NEW)).await?;
    for sql in others {
        connection.script(&sql).await?;
    }
    if let Some(counter) = counter {
        let sql = format!("UPDATE sqlite_sequence SET seq = {counter} WHERE name = '{table}'");
        connection.script(&sql).await?;
    }
    let (rows_now, broken_now) = (count(connection, table).await?, broken_keys(connection).await?);
    if rows_now != rows {
        return Err(Error::revision(format!("{table} had {rows} rows and has {rows_now} when made anew")));
    }
    if broken_now > broken {
        return Err(Error::revision(orphaned(step, broken_now - broken)));
    }
    match broken_views(connection).await?.into_iter().find(|view| !views.contains(view)) {
        Some(view) => Err(Error::revision(format!("the view {view} would no longer work; drop it first"))),
        None => Ok(()),
    }
}

/// What to do about rows that a new key finds. The key is not there any more, so SQLite's own check finds none of them.
fn orphaned(step: &Step, count: i64) -> String {
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
        orphans::query(table, column, key.table)
    )
}

/// The new table with the rows of the old one, in its place.
async fn copy(connection: &mut Connection, table: &str, create: &str) -> Result<()> {
    connection.script(create).await?;
    let found = catalog::table(connection, NEW).await?.unwrap_or_default();
    for sql in moves(table, found.columns.iter().map(|column| &*column.name)) {
        connection.script(&sql).await?;
    }
    Ok(())
}

/// The statements that put the new table in the place of the old one.
fn moves<'a>(table: &str, columns: impl Iterator<Item = &'a str>) -> [String; 3] {
    let columns =
        columns.map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect::<Vec<_>>().join(", ");
    [
        format!("INSERT INTO {NEW} ({columns}) SELECT {columns} FROM {table}"),
        format!("DROP TABLE {table}"),
        format!("ALTER TABLE {NEW} RENAME TO {table}"),
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

/// Rows that refer to one that is not there.
async fn broken_keys(connection: &mut Connection) -> Result<i64> {
    let sql = "SELECT count(*) FROM pragma_foreign_key_check";
    Ok(fetch(connection, one::<(i64,)>(sql, params![])).await?.0)
}

/// The last identifier that a table with AUTOINCREMENT gave away.
async fn counter(connection: &mut Connection, table: &str) -> Result<Option<i64>> {
    let there = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence')";
    if !fetch(connection, one::<(bool,)>(there, params![])).await?.0 {
        return Ok(None);
    }
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = $1";
    let found = fetch(connection, optional::<(i64,)>(sql, params![table.to_owned()])).await?;
    Ok(found.map(|(seq,)| seq))
}

/// The views that can't be read.
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
