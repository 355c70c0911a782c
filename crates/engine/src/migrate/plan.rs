//! What a run would do, before it does it.

use serde::Serialize;

use super::apply::{is_reached, is_recorded};
use super::goal::Goal;
use super::migrator::Migrator;
use super::needs;
use super::pending;
use super::privileges::{MissingPrivilege, needs_up};
use super::probe::{Probe, probe};
use super::rebuild;
use super::revision::Revision;
use super::space;
use super::step::{Action, Direction, Step};
use super::unrecorded;
use crate::driver::Connection;
use crate::error::Result;
use crate::settings::Engine;

/// A revision that would be applied.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Planned {
    /// Its identifier.
    pub id: &'static str,
    /// What it is about.
    pub name: &'static str,
    /// Its steps, in order.
    pub steps: Vec<PlannedStep>,
}

/// A step that would be done.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PlannedStep {
    /// What it does.
    pub what: String,
    /// It is done already, and would only be recorded.
    pub done: bool,
    /// The way there.
    pub up: Way,
    /// The way back.
    pub back: Way,
    /// Bytes of disk space that it takes, roughly, if it is an index on PostgreSQL.
    pub bytes: Option<u64>,
}

/// What going one way means.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Way {
    /// The statements, in order.
    pub sql: Vec<String>,
    /// The locks that it takes, and whom they keep out.
    pub lock: String,
    /// It writes the whole table anew.
    pub rewrites: bool,
    /// It reads the whole table.
    pub scans: bool,
    /// What is lost.
    pub loses: Option<String>,
}

impl Migrator<'_> {
    /// What an upgrade to the goal would do, with the locks that it takes and what the way back costs. Changes
    /// nothing.
    ///
    /// # Errors
    /// When the database has revisions that this program does not know, the goal is none, or there are tables that
    /// have to be adopted first.
    pub async fn plan(&self, goal: &Goal) -> Result<Vec<Planned>> {
        self.look(&self.deadline(), async |connection| self.plan_over(connection, goal).await).await
    }

    /// What this user lacks that an upgrade to the goal needs.
    ///
    /// # Errors
    /// As [`Migrator::plan`].
    pub async fn missing_privileges(&self, goal: &Goal) -> Result<Vec<MissingPrivilege>> {
        self.look(&self.deadline(), async |connection| {
            let history = self.read(connection).await?;
            let applied = history.applied();
            let target =
                pending::resolve(connection, self.name, self.revisions, &history, goal, Direction::Up)
                    .await?;
            let later = self.revisions.get(applied..target.position).unwrap_or_default();
            if later.is_empty() {
                return Ok(Vec::new());
            }
            let needs = needs_up(connection, later).await?;
            needs.missing(connection, &self.db.settings().database_url).await
        })
        .await
    }

    async fn plan_over(&self, connection: &mut Connection, goal: &Goal) -> Result<Vec<Planned>> {
        let engine = connection.engine();
        self.read(connection).await?;
        let (history, unrecorded) = unrecorded::look(connection, self.name, self.revisions).await?;
        history.check_texts(self.revisions)?;
        let applied = history.applied();
        let target =
            pending::resolve(connection, self.name, self.revisions, &history, goal, Direction::Up).await?;
        let target = target.position;
        unrecorded.check(connection, self.name, self.revisions, target).await?;
        let mut planned = Vec::new();
        for (index, revision) in self.revisions.iter().enumerate().take(target).skip(applied) {
            needs::check_met(self.name, revision, &history)?;
            let mut steps = Vec::new();
            for (number, step) in revision.steps().iter().enumerate() {
                let found = probe(connection, step).await?;
                let done = match step.action {
                    // A key that is not there yet can't be found lacking.
                    Action::Validate { .. } => {
                        is_reached(step, Direction::Up, &found)
                            && steps.last().is_none_or(|before: &PlannedStep| before.done)
                    }
                    Action::Sql(_) => is_recorded(&history, index, number, Direction::Up),
                    _ => is_reached(step, Direction::Up, &found),
                };
                let bytes = match &step.action {
                    Action::Index(wanted) if engine == Engine::Postgres && found == Probe::Missing => {
                        Some(space::index_size(connection, wanted).await?)
                    }
                    _ => None,
                };
                let is_new = makes_its_table(revision, number);
                let mut up = way(step, Direction::Up, engine, &found, is_new);
                let mut back = way(step, Direction::Down, engine, &Probe::Done, is_new);
                // SQLite has no statement for it.
                if engine == Engine::Sqlite && matches!(step.action, Action::Key { .. }) {
                    [up.sql, back.sql] = rebuild::planned(connection, step, done).await?;
                }
                steps.push(PlannedStep { what: step.what(), done, up, back, bytes });
            }
            planned.push(Planned { id: revision.id, name: revision.name, steps });
        }
        Ok(planned)
    }
}

/// Whether an earlier step of the revision creates the table of a step.
fn makes_its_table(revision: &Revision, number: usize) -> bool {
    let name = revision.steps()[number].table_name();
    let makes = |step: &Step| matches!(&step.action, Action::Table(table) if Some(table.name) == name);
    revision.steps()[..number].iter().any(makes)
}

fn way(step: &Step, direction: Direction, engine: Engine, found: &Probe, is_new: bool) -> Way {
    let drops = step.takes_away(direction);
    if is_new && direction == Direction::Down {
        return Way {
            sql: Vec::new(),
            lock: "none: it goes with its table".to_owned(),
            rewrites: false,
            scans: false,
            loses: None,
        };
    }
    let mut sql = step.statements(direction, engine, found);
    if let Action::Index(index) = &step.action
        && engine == Engine::Postgres
        && !is_new
    {
        let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {}", index.name);
        sql = vec![if drops { drop } else { index.sql_concurrently() }];
    }
    let lock = match engine {
        _ if sql.is_empty() => "none: nothing to do".to_owned(),
        Engine::Postgres => postgres_lock(step, drops, is_new),
        Engine::Sqlite => "the file's write lock: other writers wait, readers don't".to_owned(),
    };
    let is_column = matches!(step.action, Action::Column { .. });
    let scans = match &step.action {
        Action::Index(_) => !drops && !is_new,
        Action::Validate { .. } => !drops && engine == Engine::Postgres && !is_new,
        _ => false,
    };
    let rewrites = engine == Engine::Sqlite
        && (is_column && (drops || *found == Probe::Partial) || matches!(step.action, Action::Key { .. }));
    let loses = match (&step.action, drops) {
        (Action::Table(table), true) => Some(format!("the rows of {}", table.name)),
        (Action::Column { table, column }, true) => Some(format!("the values of {table}.{}", column.name)),
        _ => None,
    };
    Way { sql, lock, rewrites, scans, loses }
}

fn postgres_lock(step: &Step, drops: bool, is_new: bool) -> String {
    let referred = |key: Option<super::column::Key>| match key {
        Some(key) => format!(", SHARE ROW EXCLUSIVE on {} (its writers wait)", key.table),
        None => String::new(),
    };
    match &step.action {
        _ if is_new && !drops => "none on tables that are in use".to_owned(),
        Action::Table(table) if drops => {
            format!("ACCESS EXCLUSIVE on {} (everybody waits), for a moment", table.name)
        }
        Action::Table(table) => {
            let mut tables: Vec<_> =
                table.columns.iter().filter_map(|column| column.key).map(|key| key.table).collect();
            tables.dedup();
            match tables.is_empty() {
                true => "none on tables that are in use".to_owned(),
                false => {
                    format!("SHARE ROW EXCLUSIVE on {} (its writers wait), for a moment", tables.join(", "))
                }
            }
        }
        Action::Column { table, column } => {
            format!("ACCESS EXCLUSIVE on {table} (everybody waits){}, for a moment", referred(column.key))
        }
        Action::Key { table, key, .. } => {
            format!("SHARE ROW EXCLUSIVE on {table} (its writers wait){}, for a moment", referred(Some(*key)))
        }
        Action::Validate { .. } if drops => "none".to_owned(),
        Action::Validate { table, .. } => format!("SHARE UPDATE EXCLUSIVE on {table} (nobody waits but DDL)"),
        Action::Index(index) => {
            format!("SHARE UPDATE EXCLUSIVE on {} (nobody waits but DDL)", index.table)
        }
        Action::Sql(_) => "those of its statements".to_owned(),
    }
}
