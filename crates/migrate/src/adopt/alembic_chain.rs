//! Alembic's chain of versions, and the position of a database on it.

use serde::Serialize;
use tallybook_core::driver::Connection;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::params;
use tallybook_sql::query::all;

use crate::catalog::{self, fetch};
use crate::compare::comparison;
use crate::compare::difference::{Difference, DifferenceKind};
use crate::steps::revision::{Revision, steps};
use crate::steps::step::Step;

/// The table in which Alembic stores its version.
pub(crate) const TABLE: &str = "alembic_version";

/// A version of Alembic's chain and the revision that corresponds to it.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    /// The value of `alembic_version.version_num`.
    pub id: &'static str,
    /// The revision that a database at this version has reached.
    pub revision: &'static str,
    /// Tables of that revision that this version lacks.
    pub without: &'static [&'static str],
    /// Tables and columns outside the revisions that this version made. They are never touched.
    pub others: &'static [&'static str],
}

/// The Alembic versions that a database can be handed back at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReleaseVersions {
    /// The version that a release hands back before any upgrade: always the one that was adopted. `None` if
    /// Alembic has no version of the database; then a release writes none.
    pub adopted: Option<&'static str>,
    /// The version that a release hands back after an upgrade, to `downgrade_first` if that is set; `None` if there is none.
    pub upgraded: Option<&'static str>,
    /// The revision to go back to before a release after an upgrade, because Alembic has no version of later ones.
    pub downgrade_first: Option<&'static str>,
    /// The Alembic command to run first so that such a version exists.
    pub alembic_first: Option<String>,
    /// Set if that command has to run before the upgrade, because it fails once the upgrade has made these tables.
    pub before_upgrade: bool,
}

/// The versions, and the revisions they correspond to.
#[derive(Clone, Copy)]
pub(crate) struct Chain<'a> {
    pub(crate) versions: &'a [Version],
    pub(crate) revisions: &'a [Revision],
}

/// The content of Alembic's own table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AlembicStamp {
    /// The table does not exist.
    NoTable,
    /// The table is empty: Alembic created nothing, or everything was taken back.
    Empty,
    /// The version's index on the chain.
    Version(usize),
}

impl<'a> Chain<'a> {
    /// Reads `alembic_version`. Two round trips.
    ///
    /// # Errors
    /// Returns an error if it holds anything but one version of the chain.
    pub(crate) async fn stamp(&self, connection: &mut Connection) -> Result<AlembicStamp> {
        if !catalog::tables(connection).await?.iter().any(|table| table == TABLE) {
            return Ok(AlembicStamp::NoTable);
        }
        let sql = "SELECT version_num FROM alembic_version ORDER BY 1";
        let rows = fetch(connection, all::<(String,)>(sql, params![])).await?;
        let ids: Vec<_> = rows.into_iter().map(|(id,)| id).collect();
        match &*ids {
            [] => Ok(AlembicStamp::Empty),
            [id] => self.place(id).map(AlembicStamp::Version).ok_or_else(|| {
                let known: Vec<_> = self.versions.iter().map(|version| version.id).collect();
                let known = known.join(", ");
                Error::revision(format!("{TABLE} holds {id:?}, which is not known here; known are {known}"))
            }),
            several => Err(Error::revision(format!(
                "{TABLE} holds several versions ({}): the database is on several branches at once; bring it to one \
                 with Alembic first",
                several.join(", ")
            ))),
        }
    }

    /// Returns the index of a version.
    pub(crate) fn place(&self, id: &str) -> Option<usize> {
        self.versions.iter().position(|version| version.id == id)
    }

    /// Returns the index of a version's revision.
    pub(crate) fn revision(&self, place: usize) -> Result<usize> {
        let id = self.versions[place].revision;
        let found = self.revisions.iter().position(|revision| revision.id == id);
        found.ok_or_else(|| Error::revision(format!("there is no revision {id:?}")))
    }

    /// Returns the index of the newest revision that a version corresponds to.
    pub(crate) fn newest(&self) -> Option<usize> {
        let is_known =
            |revision: &Revision| self.versions.iter().any(|version| version.revision == revision.id);
        self.revisions.iter().rposition(is_known)
    }

    /// Returns the number of revisions that a database at this version has completely.
    pub(crate) fn applied(&self, place: usize) -> Result<usize> {
        let at = self.revision(place)?;
        Ok(if self.versions[place].without.is_empty() { at + 1 } else { at })
    }

    /// Compares a database with a version.
    pub(crate) async fn differences(
        &self,
        connection: &mut Connection,
        place: usize,
    ) -> Result<Vec<Difference>> {
        let (has, later) = self.split_steps(place)?;
        comparison::differences(connection, &has, &later).await
    }

    /// Splits all steps into those that a database at this version has and those that it lacks.
    pub(crate) fn split_steps(&self, place: usize) -> Result<(Vec<&'a Step>, Vec<&'a Step>)> {
        let at = self.revision(place)?;
        let without = self.versions[place].without;
        let is_absent = |step: &&Step| step.table_name().is_some_and(|table| without.contains(&table));
        let (absent, mut has): (Vec<_>, Vec<_>) = self.revisions[at].steps().iter().partition(is_absent);
        has.splice(0..0, steps(&self.revisions[..at]));
        Ok((has, absent.into_iter().chain(steps(&self.revisions[at + 1..])).collect()))
    }

    /// Returns the objects outside the book that versions after `after`, up to `to`, made.
    pub(crate) fn others(&self, after: usize, to: usize) -> Vec<&'static str> {
        let versions = self.versions.get(after + 1..=to).unwrap_or_default();
        versions.iter().flat_map(|version| version.others).copied().collect()
    }

    /// Returns the last version after `after`, up to `to`, that made something outside the book.
    pub(crate) fn last_of_others(&self, after: usize, to: usize) -> Option<&'static str> {
        let versions = self.versions.get(after + 1..=to).unwrap_or_default();
        versions.iter().rev().find(|version| !version.others.is_empty()).map(|version| version.id)
    }

    /// Returns the book's tables that versions after `after`, up to `to`, made.
    pub(crate) fn tables(&self, after: usize, to: usize) -> Vec<&'static str> {
        let later = self.versions[to].without;
        let missing = self.versions[after].without.iter().copied();
        missing.filter(|table| !later.contains(table)).collect()
    }

    /// Returns the Alembic versions that a database at this one can be handed back at.
    pub(crate) fn way_back(&self, held: Option<usize>) -> ReleaseVersions {
        let newest = self.newest().map(|index| self.revisions[index].id);
        let downgrade_first = newest.filter(|&id| self.revisions.last().is_some_and(|last| last.id != id));
        let is_newest = |version: &Version| Some(version.revision) == newest && version.without.is_empty();
        let last = self.versions.iter().rposition(is_newest);
        let (Some(held), Some(last)) = (held, last) else {
            let adopted = held.map(|held| self.versions[held].id);
            return ReleaseVersions {
                adopted,
                upgraded: None,
                downgrade_first: None,
                alembic_first: None,
                before_upgrade: false,
            };
        };
        let first = self.last_of_others(held, last);
        ReleaseVersions {
            adopted: Some(self.versions[held].id),
            upgraded: first.is_none().then_some(self.versions[last].id),
            downgrade_first,
            alembic_first: first.map(|version| format!("alembic upgrade {version}")),
            before_upgrade: first.is_some() && !self.tables(held, last).is_empty(),
        }
    }
}

/// Returns the parts of later versions that exist already, as text that can be compared later.
pub(crate) fn already_there(differences: &[Difference]) -> Vec<String> {
    let there = differences.iter().filter(|one| one.severity == DifferenceKind::AlreadyApplied);
    there.map(|one| format!("{}, {}", one.table, one.part)).collect()
}
