//! Adoption of databases that Alembic or SQLAlchemy created.

pub(crate) mod adoption_record;
pub(crate) mod alembic_chain;
pub(crate) mod release;

use std::fmt::{self, Write};

use serde::Serialize;
use tallybook_core::driver::Connection;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::escaped::Escaping;
use tallybook_sql::query::Execute;
use tallybook_sql::transaction::{Begin, End, TransactionFraming};

use crate::adopt::adoption_record::{AdoptedState, AdoptionEvent, LastAdoption, journal_mode};
use crate::adopt::alembic_chain::{AlembicStamp, Chain, ReleaseVersions, Version, already_there};
use crate::catalog;
use crate::catalog::dangling_references;
use crate::compare::difference::{Difference, DifferenceKind, NOTHING};
use crate::compare::expected::Expected;
use crate::history;
use crate::migrator::Migrator;
use crate::run::Run;
use crate::run::busy_retry;
use crate::run::privileges::{MissingPrivilege, RequiredPrivileges};
use crate::steps::revision::steps;

/// The result of inspecting or adopting a database.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Adoption {
    /// Alembic's version; `None` if SQLAlchemy's `create_all` made the database, which Alembic has no version of.
    pub version: Option<&'static str>,
    /// The Alembic version whose tables the database has.
    pub like: &'static str,
    /// The last revision recorded as applied; `None` if the first one still needs an upgrade to be complete.
    pub revision: Option<&'static str>,
    /// Differences from the schema of that version.
    pub differences: Vec<Difference>,
    /// Observations that do not block the adoption.
    pub warnings: Vec<Warning>,
    /// The Alembic versions that the database can be handed back at.
    pub way_back: ReleaseVersions,
    /// Set if this call recorded the adoption.
    pub recorded: bool,
    /// Set if the database was adopted before.
    pub already: bool,
}

/// An observation about the rows of a table that does not block the adoption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Warning {
    /// The table's name.
    pub table: String,
    /// The observation, as a sentence.
    pub what: String,
    /// The query or command that shows more.
    pub look: String,
}

impl Warning {
    pub(crate) fn new(table: &str, what: impl Into<String>, look: impl Into<String>) -> Self {
        Self { table: table.to_owned(), what: what.into(), look: look.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}: {}; look at them with: {}", self.table, self.what, self.look)
    }
}

impl Adoption {
    /// Returns whether any difference blocks the adoption.
    pub fn is_blocked(&self) -> bool {
        self.differences.iter().any(Difference::is_blocking)
    }
}

impl Migrator<'_> {
    /// Inspects a database that Alembic or SQLAlchemy made and returns what [`Migrator::adopt`] would do.
    /// Read-only.
    ///
    /// # Errors
    /// Returns an error if there is nothing to adopt, or if the database matches no known version.
    pub async fn adoption(&self, chain: &[Version]) -> Result<Adoption> {
        self.with_connection(&self.deadline(), async |connection| {
            let last = LastAdoption::read(connection).await?;
            self.look_at(connection, self.chain(chain), &last).await
        })
        .await
    }

    /// Returns the privileges that adopting needs and the current user lacks.
    ///
    /// # Errors
    /// Returns an error if the privileges cannot be read.
    pub async fn missing_for_adoption(&self) -> Result<Vec<MissingPrivilege>> {
        self.missing_of(RequiredPrivileges::to_record()).await
    }

    /// Adopts a database that Alembic or SQLAlchemy made: records the revisions it already has. A later upgrade
    /// applies the rest. Alembic's own table and the journal mode of an SQLite file stay as they are.
    ///
    /// An adopted database is left unchanged.
    ///
    /// # Errors
    /// As [`Migrator::adoption`], and if a difference blocks the adoption. In either case nothing was changed.
    pub async fn adopt(&self, chain: &[Version]) -> Result<Adoption> {
        self.run(&self.deadline(), RequiredPrivileges::to_record(), async |run| {
            self.adopt_over(run, chain).await
        })
        .await
    }

    async fn adopt_over(&self, run: &mut Run<'_>, chain: &[Version]) -> Result<Adoption> {
        run.begin_keeping_journal().await?;
        let last = LastAdoption::read(&mut run.connection).await?;
        let mut adoption = self.look_at(&mut run.connection, self.chain(chain), &last).await?;
        if adoption.already {
            return Ok(adoption);
        }
        if adoption.is_blocked() {
            return Err(blocked_error(&adoption));
        }
        let state = AdoptedState {
            version: adoption.version.map(str::to_owned),
            already: already_there(&adoption.differences),
            journal_mode: journal_mode(&mut run.connection).await?,
        };
        let applied = self.revisions.iter().position(|revision| Some(revision.id) == adoption.revision);
        let applied = applied.map_or(0, |last| last + 1);
        let mut batch = history::tables(&mut run.connection).await?;
        batch.extend(self.revisions[..applied].iter().map(|one| history::record(self.name, one)));
        batch.push(last.record(&AdoptionEvent::Adopted(state))?);
        run.write_in_transaction(batch).await?;
        run.end(End::Commit).await?;
        adoption.recorded = true;
        Ok(adoption)
    }

    pub(crate) fn chain<'a>(&'a self, versions: &'a [Version]) -> Chain<'a> {
        Chain { versions, revisions: self.revisions }
    }

    async fn look_at(
        &self,
        connection: &mut Connection,
        chain: Chain<'_>,
        last: &LastAdoption,
    ) -> Result<Adoption> {
        let history = self.read(connection).await?;
        let adopted = last.adopted();
        if history.begun() > 0 && adopted.is_none() {
            return Err(Error::revision(
                "the database has revisions of this program; there is nothing to adopt",
            ));
        }
        let held = match chain.stamp(connection).await? {
            AlembicStamp::Version(place) => Some(place),
            AlembicStamp::Empty | AlembicStamp::NoTable => None,
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
            None => closest_version(connection, chain).await?,
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
    /// Begins a transaction that excludes other runners and keeps the journal mode of an SQLite file.
    ///
    /// It may wait for locks until the deadline: it only reads and writes rows, so nothing queues behind it.
    pub(crate) async fn begin_keeping_journal(&mut self) -> Result<()> {
        match self.dialect {
            Dialect::Postgres => {
                let framing =
                    TransactionFraming { begin: Some(Begin::Write), ..TransactionFraming::default() };
                self.connection.execute(Vec::<Execute>::new(), framing).await.map(drop)
            }
            Dialect::Sqlite => busy_retry::script(&mut self.connection, "BEGIN IMMEDIATE").await,
        }
    }
}

fn blocked_error(adoption: &Adoption) -> Error {
    let blocking = adoption.differences.iter().filter(|difference| difference.is_blocking());
    let lines = blocking.map(|difference| format!("  {difference}"));
    let what = match adoption.version {
        Some(version) => format!("the database differs from version {version:?} of Alembic"),
        None => format!(
            "the database has the book's tables, most like those of Alembic's {:?}, and differs",
            adoption.like
        ),
    };
    let last = "make it what is expected, and adopt it again".to_owned();
    Error::revision_in_lines(
        [format!("{what}; it was left as it is:")].into_iter().chain(lines).chain([last]),
    )
}

/// Returns the version whose tables the database has, for a database that Alembic has no version of: the newest
/// one without differences, else the one with the fewest.
async fn closest_version(connection: &mut Connection, chain: Chain<'_>) -> Result<(usize, Vec<Difference>)> {
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

/// Finds rows whose reference dangles. SQLite permits such rows unless a connection turns on foreign keys, and
/// adding the foreign key later fails on them.
async fn check_references(
    connection: &mut Connection,
    chain: Chain<'_>,
    place: usize,
    differences: &mut Vec<Difference>,
) -> Result<Vec<Warning>> {
    let (has, later) = chain.split_steps(place)?;
    let whole = Expected::after(has.into_iter().chain(later));
    let is_sqlite = connection.dialect() == Dialect::Sqlite;
    let mut warnings = Vec::new();
    for table in &whole.tables {
        let Some(found) = catalog::table(connection, table.name).await? else { continue };
        for column in &table.columns {
            let Some(key) = column.key.filter(|_| found.column(column.name).is_some()) else { continue };
            let is_other = |table: &str, column: &str| {
                let part = format!("column {column}");
                differences.iter().any(|one| one.table == table && one.part == part && one.is_blocking())
            };
            // A table or column that cannot be compared is a blocking difference already.
            if is_other(table.name, column.name) || is_other(key.table, "id") {
                continue;
            }
            let there = found.key_of(column.name);
            if !is_sqlite && there.is_some_and(|there| there.is_valid) {
                continue;
            }
            let count = dangling_references::count(connection, table.name, column.name, key.table).await?;
            if count == 0 {
                continue;
            }
            let look = dangling_references::query(table.name, column.name, key.table);
            let rows = if count == 1 { "1 row refers".to_owned() } else { format!("{count} rows refer") };
            let what = format!("{rows} by {} to {} that are not there", column.name, key.table);
            if there.is_some() {
                warnings.push(Warning::new(table.name, what, look));
                continue;
            }
            let part = format!("key of {}", column.name);
            differences.retain(|one| one.table != table.name || one.part != part || one.is_blocking());
            let found = format!("{NOTHING}, and {what}; look at them with: {look}");
            differences.push(Difference::new(DifferenceKind::Blocking, table.name, part, key.sql(), found));
        }
    }
    Ok(warnings)
}
