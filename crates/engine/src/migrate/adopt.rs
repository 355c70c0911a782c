//! Taking over databases that Alembic made, and handing them back.

use serde::Serialize;

use super::catalog::{self, fetch};
use super::difference::{self, Difference, Severity};
use super::expected::Expected;
use super::history;
use super::migrator::Migrator;
use super::privileges::{MissingPrivilege, Needs};
use super::revision::Revision;
use super::run::Run;
use super::step::{Action, Step};
use crate::driver::Connection;
use crate::error::{Error, Result};
use crate::params;
use crate::query::{all, execute};
use crate::settings::Engine;

const TABLE: &str = "alembic_version";

/// A version of Alembic's chain, and where it stands among the revisions.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    /// What `alembic_version.version_num` holds.
    pub id: &'static str,
    /// The revision that a database of this version is at.
    pub revision: &'static str,
    /// The tables of that revision which this version does not have yet.
    pub without: &'static [&'static str],
    /// The tables of others that this version made. They are never touched; handing back looks whether they are
    /// there.
    pub others: &'static [&'static str],
}

/// What an adoption found, and did unless it was to look only.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Adoption {
    /// Alembic's version.
    pub version: &'static str,
    /// The last revision that is recorded as applied; none if an upgrade has to complete the first.
    pub revision: Option<&'static str>,
    /// What differs from what that version should have.
    pub differences: Vec<Difference>,
    /// Whether it was recorded.
    pub recorded: bool,
}

impl Adoption {
    /// Whether a difference stands in the way.
    pub fn is_blocked(&self) -> bool {
        self.differences.iter().any(Difference::is_blocking)
    }
}

impl Migrator<'_> {
    /// Looks what adopting a database that Alembic made would find; changes nothing.
    ///
    /// # Errors
    /// When there is nothing to adopt, or not one known version.
    pub async fn adoption(&self, chain: &[Version]) -> Result<Adoption> {
        self.look(&self.deadline(), async |connection| {
            self.read(connection).await?;
            self.look_at(connection, chain).await.map(|(adoption, _)| adoption)
        })
        .await
    }

    /// What this user lacks that adopting needs.
    ///
    /// # Errors
    /// When that can't be found out.
    pub async fn missing_for_adoption(&self) -> Result<Vec<MissingPrivilege>> {
        self.lacks(Needs::to_record()).await
    }

    /// Adopts a database that Alembic made: records which revisions it has. An upgrade then does what is missing.
    /// Alembic's own table stays as it is.
    ///
    /// # Errors
    /// As [`Migrator::adoption`], and when a difference stands in the way. Nothing was changed then.
    pub async fn adopt(&self, chain: &[Version]) -> Result<Adoption> {
        self.run(&self.deadline(), Needs::to_record(), async |run| self.adopt_over(run, chain).await).await
    }

    async fn adopt_over(&self, run: &mut Run<'_>, chain: &[Version]) -> Result<Adoption> {
        self.read(&mut run.connection).await?;
        let (mut adoption, applied) = self.look_at(&mut run.connection, chain).await?;
        if adoption.is_blocked() {
            let blocking = adoption.differences.iter().filter(|difference| difference.is_blocking());
            let told: Vec<_> = blocking.map(|difference| format!("\n  {difference}")).collect();
            return Err(Error::revision(format!(
                "the database differs from version {:?} of Alembic, and was left as it is:{}\nmake it what is \
                 expected, and adopt it again",
                adoption.version,
                told.concat()
            )));
        }
        run.create_history().await?;
        let mut batch: Vec<_> =
            self.revisions[..applied].iter().map(|one| history::record(self.name, one)).collect();
        batch.push(history::event("adopt", &format!("alembic {}", adoption.version)));
        history::write(&mut run.connection, batch).await?;
        adoption.recorded = true;
        Ok(adoption)
    }

    /// Hands the database back to Alembic: writes the version that fits into its table and forgets what was
    /// applied. Returns that version.
    ///
    /// # Errors
    /// When no version has the schema that is there. Nothing was changed then.
    pub async fn release(&self, chain: &[Version]) -> Result<&'static str> {
        let deadline = self.deadline();
        let blocking = self.differences(&deadline).await?.into_iter().find(Difference::is_blocking);
        if let Some(difference) = blocking {
            return Err(Error::revision(format!(
                "the database is not what its revisions say, so no version of Alembic fits: {difference}"
            )));
        }
        self.run(&deadline, Needs::to_hand_back(), async |run| self.release_over(run, chain).await).await
    }

    async fn release_over(&self, run: &mut Run<'_>, chain: &[Version]) -> Result<&'static str> {
        let history = run.history().await?;
        if history.traces() != history.applied() {
            return Err(Error::revision("a revision is half-way; finish it by upgrade or downgrade first"));
        }
        let current = history.applied().checked_sub(1).map(|last| self.revisions[last].id);
        let tables = catalog::tables(&mut run.connection).await?;
        if !tables.iter().any(|table| table == TABLE) {
            return Err(Error::revision(
                "there is no table alembic_version: Alembic never had this database",
            ));
        }
        let version = fitting(chain, current, &tables)?;
        run.create_history().await?;
        let mut batch = vec![
            execute("DELETE FROM alembic_version", params![]),
            execute("INSERT INTO alembic_version (version_num) VALUES ($1)", params![version.id]),
        ];
        batch.extend(self.revisions.iter().flat_map(|one| history::erase(self.name, one)));
        batch.push(history::event("release", &format!("alembic {}", version.id)));
        history::write(&mut run.connection, batch).await?;
        Ok(version.id)
    }

    /// What is there, and how many revisions that is.
    async fn look_at(&self, connection: &mut Connection, chain: &[Version]) -> Result<(Adoption, usize)> {
        let history = history::read(connection, self.name, self.revisions).await?;
        if history.traces() > 0 {
            return Err(Error::revision(
                "the database has revisions of this program; there is nothing to adopt",
            ));
        }
        let version = find_version(connection, chain).await?;
        let Some(at) = self.revisions.iter().position(|revision| revision.id == version.revision) else {
            return Err(Error::revision(format!("there is no revision {:?}", version.revision)));
        };
        let (has, later) = parted(self.revisions, at, version.without);
        let expected = Expected::after(has);
        let mut differences = Vec::new();
        for table in &expected.tables {
            let found = catalog::table(connection, table.name).await?;
            differences.extend(difference::table(table, found.as_ref(), self.db.engine()));
        }
        mark_applied(&mut differences, later.iter().copied());
        for step in later {
            differences.extend(already_there(connection, step, self.db.engine()).await?);
        }
        let applied = if version.without.is_empty() { at + 1 } else { at };
        let revision = applied.checked_sub(1).map(|last| self.revisions[last].id);
        Ok((Adoption { version: version.id, revision, differences, recorded: false }, applied))
    }
}

/// The steps that a database has, and those that it does not have yet.
fn parted<'a>(revisions: &'a [Revision], at: usize, without: &[&str]) -> (Vec<&'a Step>, Vec<&'a Step>) {
    let steps = revisions.iter().enumerate();
    let steps = steps.flat_map(|(index, revision)| revision.steps().iter().map(move |step| (index, step)));
    let (mut has, mut later) = (Vec::new(), Vec::new());
    for (index, step) in steps {
        let is_absent = step.table_name().is_some_and(|table| index == at && without.contains(&table));
        if index > at || is_absent { later.push(step) } else { has.push(step) }
    }
    (has, later)
}

/// Leaves out what is no difference because a later step makes it; [`already_there`] tells of that.
pub(super) fn mark_applied<'a>(differences: &mut Vec<Difference>, later: impl Iterator<Item = &'a Step>) {
    let parts: Vec<_> = later.filter_map(part).collect();
    for difference in &mut *differences {
        let is_later =
            parts.iter().any(|(table, part)| *table == difference.table && *part == difference.part);
        if is_later && difference.severity == Severity::Benign {
            difference.severity = Severity::AlreadyApplied;
        }
    }
}

fn part(step: &Step) -> Option<(&'static str, String)> {
    match &step.action {
        Action::Column { table, column } => Some((*table, format!("column {}", column.name))),
        Action::Index(index) => Some((index.table, format!("index {}", index.name))),
        _ => None,
    }
}

/// What of a later step is there and is not what the step would make; and a table that is there.
async fn already_there(connection: &mut Connection, step: &Step, engine: Engine) -> Result<Vec<Difference>> {
    let Some(table) = step.table_name() else { return Ok(Vec::new()) };
    let found = catalog::table(connection, table).await?;
    let blocking = |differences: Vec<Difference>| differences.into_iter().filter(Difference::is_blocking);
    Ok(match (&step.action, found) {
        (Action::Table(_), Some(_)) => {
            vec![Difference::new(Severity::AlreadyApplied, table, "table", "nothing", "it")]
        }
        (Action::Column { column, .. }, Some(found)) if found.column(column.name).is_some() => {
            let mut differences: Vec<_> =
                blocking(difference::column(table, column, &found, engine)).collect();
            if let (Some(key), None) = (column.key, found.key_of(column.name)) {
                let part = format!("key of {}", column.name);
                let told = "nothing: an upgrade adds it";
                differences.push(Difference::new(Severity::Benign, table, part, key.sql(), told));
            }
            differences
        }
        (Action::Index(index), _) => match catalog::index(connection, index.name).await? {
            Some(there) if !difference::is_same(index, &there) => {
                difference::index(index, Some(&there)).into_iter().collect()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    })
}

async fn find_version<'a>(connection: &mut Connection, chain: &'a [Version]) -> Result<&'a Version> {
    if !catalog::tables(connection).await?.iter().any(|table| table == TABLE) {
        return Err(Error::revision(nowhere(connection).await?));
    }
    let rows =
        fetch(connection, all::<(String,)>("SELECT version_num FROM alembic_version ORDER BY 1", params![]))
            .await?;
    let ids = || chain.iter().map(|version| version.id).collect::<Vec<_>>().join(", ");
    let held: Vec<_> = rows.into_iter().map(|(id,)| id).collect();
    match &*held {
        [] => Err(Error::revision("alembic_version is empty: no version of Alembic is applied")),
        [id] => chain.iter().find(|version| version.id == id).ok_or_else(|| {
            Error::revision(format!(
                "alembic_version holds {id:?}, which is not known here; known are {}",
                ids()
            ))
        }),
        several => Err(Error::revision(format!(
            "alembic_version holds several versions ({}): the database is on several branches at once; bring it to \
             one with Alembic first",
            several.join(", ")
        ))),
    }
}

/// Why there is no version, and where to look.
async fn nowhere(connection: &mut Connection) -> Result<String> {
    if connection.engine() == Engine::Sqlite {
        return Ok("there is no table alembic_version: Alembic did not make this database".to_owned());
    }
    let sql = "SELECT n.nspname::text, coalesce(current_schema()::text, 'none') FROM pg_class c \
               JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'alembic_version' ORDER BY 1";
    let schemas = fetch(connection, all::<(String, String)>(sql, params![])).await?;
    Ok(match schemas.first() {
        Some((schema, current)) => format!(
            "alembic_version is in the schema {schema:?}, and the current schema is {current:?}; say so in the URL: \
             ?options=-csearch_path%3D{schema}"
        ),
        None => "there is no table alembic_version: Alembic did not make this database".to_owned(),
    })
}

/// The last version at a revision, all of whose other tables are there, and no later one's.
fn fitting<'a>(chain: &'a [Version], current: Option<&str>, tables: &[String]) -> Result<&'a Version> {
    let is_there = |name: &str| tables.iter().any(|table| table == name);
    let mut fits = None;
    let mut missing: Vec<&str> = Vec::new();
    for version in chain {
        missing.extend(version.others.iter().copied().filter(|name| !is_there(name)));
        let is_at = Some(version.revision) == current && version.without.is_empty();
        if is_at && missing.is_empty() {
            fits = Some(version);
        }
    }
    fits.ok_or_else(|| {
        Error::revision(format!(
            "no version of Alembic fits: the database is at revision {}, and of Alembic's other tables these are \
             missing: {}",
            current.unwrap_or("base"),
            if missing.is_empty() { "none".to_owned() } else { missing.join(", ") }
        ))
    })
}
