//! Plans: what a run would do.

use serde::Serialize;
use tallybook_core::driver::Connection;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Result;

use crate::compare::unrecorded_tables;
use crate::history::dependencies;
use crate::history::relative_target;
use crate::migrator::Migrator;
use crate::run::disk_space;
use crate::run::privileges::{MissingPrivilege, needs_up};
use crate::run::probe::{Probe, is_reached, probe};
use crate::run::sqlite_rebuild;
use crate::run::transactional::is_recorded;
use crate::steps::revision::Revision;
use crate::steps::step::{Action, Direction, Step};
use crate::target::Target;

/// A revision that would be applied.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PlannedRevision {
    /// The revision's identifier.
    pub id: &'static str,
    /// The revision's name.
    pub name: &'static str,
    /// Its steps, in order.
    pub steps: Vec<PlannedStep>,
}

/// A step that would be executed.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PlannedStep {
    /// A short description.
    pub what: String,
    /// Set if the step is done already and would only be recorded.
    pub done: bool,
    /// The upgrade.
    pub up: StepSql,
    /// The downgrade.
    pub back: StepSql,
    /// Estimated disk space in bytes, for an index on PostgreSQL.
    pub bytes: Option<u64>,
}

/// The statements of a step in one direction, and their cost.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct StepSql {
    /// The statements, in order.
    pub sql: Vec<String>,
    /// The locks that it takes, and the sessions that wait for them.
    pub lock: String,
    /// Set if it rewrites the whole table.
    pub rewrites: bool,
    /// Set if it reads the whole table.
    pub scans: bool,
    /// The data that is lost.
    pub loses: Option<String>,
}

impl Migrator<'_> {
    /// Returns what an upgrade to the target would do, with its locks and the cost of taking it back. Read-only.
    ///
    /// # Errors
    /// Returns an error if the database has revisions that this program does not know, if there is no such target,
    /// or if there are tables that have to be adopted first.
    pub async fn plan(&self, target: &Target) -> Result<Vec<PlannedRevision>> {
        self.with_connection(&self.deadline(), async |connection| self.plan_over(connection, target).await)
            .await
    }

    /// Returns the privileges that an upgrade to the target needs and the current user lacks.
    ///
    /// # Errors
    /// As [`Migrator::plan`].
    pub async fn missing_privileges(&self, target: &Target) -> Result<Vec<MissingPrivilege>> {
        self.with_connection(&self.deadline(), async |connection| {
            let history = self.read(connection).await?;
            let applied = history.applied();
            let target = relative_target::resolve(
                connection,
                self.name,
                self.revisions,
                &history,
                target,
                Direction::Up,
            )
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

    async fn plan_over(&self, connection: &mut Connection, target: &Target) -> Result<Vec<PlannedRevision>> {
        let dialect = connection.dialect();
        self.read(connection).await?;
        let (history, unrecorded) = unrecorded_tables::read(connection, self.name, self.revisions).await?;
        history.check_texts(self.revisions)?;
        let applied = history.applied();
        let target =
            relative_target::resolve(connection, self.name, self.revisions, &history, target, Direction::Up)
                .await?;
        let target = target.position;
        unrecorded.check(connection, self.name, self.revisions, target).await?;
        let mut planned = Vec::new();
        for (index, revision) in self.revisions.iter().enumerate().take(target).skip(applied) {
            dependencies::check_met(self.name, revision, &history)?;
            let mut steps = Vec::new();
            for (number, step) in revision.steps().iter().enumerate() {
                let found = probe(connection, step).await?;
                let done = match step.action {
                    // A foreign key that does not exist yet cannot be unvalidated.
                    Action::Validate { .. } => {
                        is_reached(step, Direction::Up, &found)
                            && steps.last().is_none_or(|before: &PlannedStep| before.done)
                    }
                    Action::Sql(_) => is_recorded(&history, index, number, Direction::Up),
                    _ => is_reached(step, Direction::Up, &found),
                };
                let bytes = match &step.action {
                    Action::Index(wanted) | Action::Unique(wanted)
                        if dialect == Dialect::Postgres && found == Probe::Missing =>
                    {
                        Some(disk_space::index_size(connection, wanted).await?)
                    }
                    _ => None,
                };
                let is_new = makes_its_table(revision, number);
                let mut up = step_sql(step, Direction::Up, dialect, &found, is_new);
                let mut back = step_sql(step, Direction::Down, dialect, &Probe::Done, is_new);
                // SQLite cannot add a foreign key to an existing column: the table is rebuilt.
                if dialect == Dialect::Sqlite && matches!(step.action, Action::Key { .. } | Action::Check(_))
                {
                    [up.sql, back.sql] = sqlite_rebuild::planned(connection, step, done).await?;
                }
                steps.push(PlannedStep { what: step.what(), done, up, back, bytes });
            }
            planned.push(PlannedRevision { id: revision.id, name: revision.name, steps });
        }
        Ok(planned)
    }
}

/// Returns whether an earlier step of the revision creates the step's table.
fn makes_its_table(revision: &Revision, number: usize) -> bool {
    let name = revision.steps()[number].table_name();
    let makes = |step: &Step| matches!(&step.action, Action::Table(table) if Some(table.name) == name);
    revision.steps()[..number].iter().any(makes)
}

fn step_sql(step: &Step, direction: Direction, dialect: Dialect, found: &Probe, is_new: bool) -> StepSql {
    let drops = step.takes_away(direction);
    if is_new && direction == Direction::Down {
        return StepSql {
            sql: Vec::new(),
            lock: "none: it goes with its table".to_owned(),
            rewrites: false,
            scans: false,
            loses: None,
        };
    }
    let mut sql = step.statements(direction, dialect, found);
    if let Action::Index(index) = &step.action
        && dialect == Dialect::Postgres
        && !is_new
    {
        let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {}", index.name);
        sql = vec![if drops { drop } else { index.sql_concurrently(index.name) }];
    }
    let lock = match dialect {
        _ if sql.is_empty() => "none: nothing to do".to_owned(),
        Dialect::Postgres => postgres_lock(step, drops, is_new),
        Dialect::Sqlite => "the file's write lock: other writers wait, readers don't".to_owned(),
    };
    let is_column = matches!(step.action, Action::Column { .. });
    let scans = match &step.action {
        Action::Index(_) => !drops && !is_new,
        Action::Unique(_) => !is_new,
        Action::Validate { .. } => !drops && dialect == Dialect::Postgres && !is_new,
        _ => false,
    };
    let rewrites = dialect == Dialect::Sqlite
        && (is_column && (drops || *found == Probe::Partial)
            || matches!(step.action, Action::Key { .. } | Action::Check(_)));
    let loses = match (&step.action, drops) {
        (Action::Table(table), true) => Some(format!("the rows of {}", table.name)),
        (Action::Column { table, column }, true) => Some(format!("the values of {table}.{}", column.name)),
        _ => None,
    };
    StepSql { sql, lock, rewrites, scans, loses }
}

fn postgres_lock(step: &Step, drops: bool, is_new: bool) -> String {
    let referenced_table = |key: Option<crate::steps::column::Key>| match key {
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
            format!(
                "ACCESS EXCLUSIVE on {table} (everybody waits){}, for a moment",
                referenced_table(column.key)
            )
        }
        Action::Key { table, key, .. } => {
            format!(
                "SHARE ROW EXCLUSIVE on {table} (its writers wait){}, for a moment",
                referenced_table(Some(*key))
            )
        }
        Action::Check(check) => {
            format!("ACCESS EXCLUSIVE on {} (everybody waits), for a moment", check.table)
        }
        Action::Enum(_) => "none on tables that are in use".to_owned(),
        Action::Validate { .. } if drops => "none".to_owned(),
        Action::Validate { table, .. } => format!("SHARE UPDATE EXCLUSIVE on {table} (nobody waits but DDL)"),
        Action::Index(index) => {
            format!("SHARE UPDATE EXCLUSIVE on {} (nobody waits but DDL)", index.table)
        }
        Action::Unique(index) => format!(
            "SHARE UPDATE EXCLUSIVE on {} (nobody waits but DDL), then ACCESS EXCLUSIVE (everybody waits), for a moment",
            index.table
        ),
        Action::Sql(_) => "those of its statements".to_owned(),
    }
}
