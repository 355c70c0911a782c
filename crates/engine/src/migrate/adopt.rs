//! Taking over databases that Alembic or SQLAlchemy made.

use std::fmt::{self, Write};

use serde::Serialize;

use super::catalog;
use super::chain::{Chain, Held, Version, WayBack, already_there};
use super::difference::{Difference, NOTHING, Severity};
use super::expected::Expected;
use super::history;
use super::migrator::Migrator;
use super::orphans;
use super::patience;
use super::privileges::{MissingPrivilege, Needs};
use super::record::{Adopted, Event, Last, journal_mode};
use super::revision::steps;
use super::run::Run;
use crate::driver::{Begin, Bounds, Connection, End};
use crate::error::{Error, Result};
use crate::escaped::Escaping;
use crate::query::Execute;
use crate::settings::Engine;

/// What an adoption found, and did unless it was to look only.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Adoption {
    /// Alembic's version. None for a database that SQLAlchemy's `create_all` made: Alembic has no version of it.
    pub version: Option<&'static str>,
    /// The version whose tables it has.
    pub like: &'static str,
    /// The last revision that is recorded as applied; none if an upgrade has to complete the first.
    pub revision: Option<&'static str>,
    /// What differs from what that version should have.
    pub differences: Vec<Difference>,
    /// What is in the way of nothing, and better known.
    pub warnings: Vec<Warning>,
    /// What can be handed back to Alembic, and when.
    pub way_back: WayBack,
    /// Whether it was recorded, just now.
    pub recorded: bool,
    /// It was adopted before.
    pub already: bool,
}

/// Something about the rows of a table that is in the way of nothing, and better known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Warning {
    /// The table.
    pub table: String,
    /// What is the matter.
    pub what: String,
    /// The query or the command that shows more.
    pub look: String,
}

impl Warning {
    pub(super) fn new(table: &str, what: impl Into<String>, look: impl Into<String>) -> Self {
        Self { table: table.to_owned(), what: what.into(), look: look.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}: {}; look at them with: {}", self.table, self.what, self.look)
    }
}

impl Adoption {
    /// Whether a difference stands in the way.
    pub fn is_blocked(&self) -> bool {
        self.differences.iter().any(Difference::is_blocking)
    }
}

impl Migrator<'_> {
    /// Looks what adopting a database that Alembic or SQLAlchemy made would find; changes nothing.
    ///
    /// # Errors
    /// When there is nothing to adopt, or not one known version.
    pub async fn adoption(&self, chain: &[Version]) -> Result<Adoption> {
        self.look(&self.deadline(), async |connection| {
            let last = Last::read(connection).await?;
            self.look_at(connection, self.chain(chain), &last).await
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

    /// Adopts a database that Alembic or SQLAlchemy made: records which revisions it has. An upgrade then does what is
    /// missing. Alembic's own table stays as it is, and so does the journal mode of an SQLite file.
    ///
    /// A database that is adopted already is left as it is.
    ///
    /// # Errors
    /// As [`Migrator::adoption`], and when a difference stands in the way. Nothing was changed then.
    pub async fn adopt(&self, chain: &[Version]) -> Result<Adoption> {
        self.run(&self.deadline(), Needs::to_record(), async |run| self.adopt_over(run, chain).await).await
    }

    async fn adopt_over(&self, run: &mut Run<'_>, chain: &[Version]) -> Result<Adoption> {
        run.begin_as_it_is().await?;
        let last = Last::read(&mut run.connection).await?;
        let mut adoption = self.look_at(&mut run.connection, self.chain(chain), &last).await?;
        if adoption.already {
            return Ok(adoption);
        }
        if adoption.is_blocked() {
            return Err(refusal(&adoption));
        }
        let state = Adopted {
            version: adoption.version.map(str::to_owned),
            already: already_there(&adoption.differences),
            journal_mode: journal_mode(&mut run.connection).await?,
        };
        let applied = self.revisions.iter().position(|revision| Some(revision.id) == adoption.revision);
        let applied = applied.map_or(0, |last| last + 1);
        let mut batch = history::tables(&mut run.connection).await?;
        batch.extend(self.revisions[..applied].iter().map(|one| history::record(self.name, one)));
        batch.push(last.record(&Event::Adopted(state))?);
        run.write_within(batch).await?;
        run.end(End::Commit).await?;
        adoption.recorded = true;
        Ok(adoption)
    }

    pub(super) fn chain<'a>(&'a self, versions: &'a [Version]) -> Chain<'a> {
        Chain { versions, revisions: self.revisions }
    }

    async fn look_at(&self, connection: &mut Connection, chain: Chain<'_>, last: &Last) -> Result<Adoption> {
        let history = self.read(connection).await?;
        let adopted = last.adopted();
        if history.traces() > 0 && adopted.is_none() {
            return Err(Error::revision(
                "the database has revisions of this program; there is nothing to adopt",
            ));
        }
        let held = match chain.held(connection).await? {
            Held::Version(place) => Some(place),
            Held::Nothing | Held::NoTable => None,
        };
        let way_back = chain.way_back(held);
        if adopted.is_some() {
            let current = history.applied().checked_sub(1);
            return Ok(Adoption {
                version: held.map(|place| chain.versions[place].id),
                like: chain.versions[held.unwrap_or(chain.versions.len() - 1)].id,
                revision: current.map(|last| self.revisions[last].id),
                differences: Vec::new(),
                warnings: Vec::new(),
                way_back,
                recorded: false,
                already: true,
            });
        }
        let (place, mut differences) = match held {
            Some(place) => (place, chain.differences(connection, place).await?),
            None => most_like(connection, chain).await?,
        };
        let warnings = check_references(connection, chain, place, &mut differences).await?;
        let applied = chain.applied(place)?.checked_sub(1);
        Ok(Adoption {
            version: held.map(|place| chain.versions[place].id),
            like: chain.versions[place].id,
            revision: applied.map(|last| self.revisions[last].id),
            differences,
            warnings,
            way_back,
            recorded: false,
            already: false,
        })
    }
}

impl Run<'_> {
    /// Begins a transaction that keeps other runners out, and leaves the journal mode of an SQLite file as it is.
    ///
    /// It waits for locks as long as the run may: it only reads and writes rows, so nobody queues behind it.
    pub(super) async fn begin_as_it_is(&mut self) -> Result<()> {
        match self.engine {
            Engine::Postgres => {
                let bounds = Bounds { begin: Some(Begin::Write), ..Bounds::default() };
                self.connection.fly(Vec::<Execute>::new(), bounds).await.map(drop)
            }
            Engine::Sqlite => patience::script(&mut self.connection, "BEGIN IMMEDIATE").await,
        }
    }
}

fn refusal(adoption: &Adoption) -> Error {
    let blocking = adoption.differences.iter().filter(|difference| difference.is_blocking());
    let told = blocking.map(|difference| format!("  {difference}"));
    let what = match adoption.version {
        Some(version) => format!("the database differs from version {version:?} of Alembic"),
        None => format!(
            "the database has the book's tables, most like those of Alembic's {:?}, and differs",
            adoption.like
        ),
    };
    let last = "make it what is expected, and adopt it again".to_owned();
    Error::revision_in_lines([format!("{what}; it was left as it is:")].into_iter().chain(told).chain([last]))
}

/// The version whose tables a database has that Alembic says nothing of: the newest that nothing differs from, else
/// the one that the least differs from.
async fn most_like(connection: &mut Connection, chain: Chain<'_>) -> Result<(usize, Vec<Difference>)> {
    let there = catalog::tables(connection).await?;
    let book = Expected::after(steps(chain.revisions)).tables;
    if !book.iter().any(|table| there.iter().any(|there| there == table.name)) {
        return Err(Error::revision(
            "there is nothing to adopt: the database has neither the table alembic_version nor any table of the book",
        ));
    }
    let blocking = |differences: &[Difference]| differences.iter().filter(|one| one.is_blocking()).count();
    let mut best: Option<(usize, Vec<Difference>)> = None;
    for place in (0..chain.versions.len()).rev() {
        let differences = chain.differences(connection, place).await?;
        if best.as_ref().is_none_or(|(_, least)| blocking(&differences) < blocking(least)) {
            best = Some((place, differences));
        }
        if best.as_ref().is_some_and(|(_, least)| blocking(least) == 0) {
            break;
        }
    }
    best.ok_or_else(|| Error::revision("Alembic's chain has no version"))
}

/// Looks for rows that refer to rows that are not there: SQLite lets programs write them that don't ask it not to. A
/// key that is to come stops at them.
async fn check_references(
    connection: &mut Connection,
    chain: Chain<'_>,
    place: usize,
    differences: &mut Vec<Difference>,
) -> Result<Vec<Warning>> {
    let (has, later) = chain.parted(place)?;
    let whole = Expected::after(has.into_iter().chain(later));
    let is_sqlite = connection.engine() == Engine::Sqlite;
    let mut warnings = Vec::new();
    for table in &whole.tables {
        let Some(found) = catalog::table(connection, table.name).await? else { continue };
        for column in &table.columns {
            let Some(key) = column.key.filter(|_| found.column(column.name).is_some()) else { continue };
            let is_other = |table: &str, column: &str| {
                let part = format!("column {column}");
                differences.iter().any(|one| one.table == table && one.part == part && one.is_blocking())
            };
            // What can't be compared is blocking already.
            if is_other(table.name, column.name) || is_other(key.table, "id") {
                continue;
            }
            let there = found.key_of(column.name);
            if !is_sqlite && there.is_some_and(|there| there.is_valid) {
                continue;
            }
            let count = orphans::count(connection, table.name, column.name, key.table).await?;
            if count == 0 {
                continue;
            }
            let look = orphans::query(table.name, column.name, key.table);
            let rows = if count == 1 { "1 row refers".to_owned() } else { format!("{count} rows refer") };
            let what = format!("{rows} by {} to {} that are not there", column.name, key.table);
            if there.is_some() {
                warnings.push(Warning::new(table.name, what, look));
                continue;
            }
            let part = format!("key of {}", column.name);
            differences.retain(|one| one.table != table.name || one.part != part || one.is_blocking());
            let found = format!("{NOTHING}, and {what}; look at them with: {look}");
            differences.push(Difference::new(Severity::Blocking, table.name, part, key.sql(), found));
        }
    }
    Ok(warnings)
}
