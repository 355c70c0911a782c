//! Alembic's chain of versions, and where a database is on it.

use serde::Serialize;

use super::catalog::{self, fetch};
use super::comparison;
use super::difference::{Difference, Severity};
use super::revision::{Revision, steps};
use super::step::Step;
use crate::driver::Connection;
use crate::error::{Error, Result};
use crate::params;
use crate::query::all;

/// Alembic's own table.
pub(super) const TABLE: &str = "alembic_version";

/// A version of Alembic's chain, and where it stands among the revisions.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    /// What `alembic_version.version_num` holds.
    pub id: &'static str,
    /// The revision that a database of this version is at.
    pub revision: &'static str,
    /// The tables of that revision which this version does not have yet.
    pub without: &'static [&'static str],
    /// The tables of others, or columns of them, that this version made. They are never touched.
    pub others: &'static [&'static str],
}

/// What can be handed back to Alembic, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WayBack {
    /// The version that a release hands back while nothing is upgraded: always the one that was adopted. None where
    /// Alembic has no version of the database; then a release writes none.
    pub adopted: Option<&'static str>,
    /// The version that a release hands back after an upgrade to the newest revision, if there is one.
    pub upgraded: Option<&'static str>,
    /// What Alembic has to make first so that there is one: a command.
    pub alembic_first: Option<String>,
    /// That command fails after an upgrade, because the upgrade makes these tables.
    pub before_upgrade: bool,
}

/// The versions and the revisions that they stand for.
#[derive(Clone, Copy)]
pub(super) struct Chain<'a> {
    pub(super) versions: &'a [Version],
    pub(super) revisions: &'a [Revision],
}

/// What Alembic's own table says of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// There is no such table.
    NoTable,
    /// It is empty: Alembic tried and made nothing, or all was taken back.
    Nothing,
    /// The place of its version on the chain.
    Version(usize),
}

impl<'a> Chain<'a> {
    /// What `alembic_version` holds.
    ///
    /// # Errors
    /// When that is not one version of the chain.
    pub(super) async fn held(&self, connection: &mut Connection) -> Result<Held> {
        if !catalog::tables(connection).await?.iter().any(|table| table == TABLE) {
            return Ok(Held::NoTable);
        }
        let sql = "SELECT version_num FROM alembic_version ORDER BY 1";
        let rows = fetch(connection, all::<(String,)>(sql, params![])).await?;
        let ids: Vec<_> = rows.into_iter().map(|(id,)| id).collect();
        match &*ids {
            [] => Ok(Held::Nothing),
            [id] => self.place(id).map(Held::Version).ok_or_else(|| {
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

    /// The place of a version.
    pub(super) fn place(&self, id: &str) -> Option<usize> {
        self.versions.iter().position(|version| version.id == id)
    }

    /// The place of a version's revision.
    pub(super) fn revision(&self, place: usize) -> Result<usize> {
        let id = self.versions[place].revision;
        let found = self.revisions.iter().position(|revision| revision.id == id);
        found.ok_or_else(|| Error::revision(format!("there is no revision {id:?}")))
    }

    /// How many revisions a database of a version has wholly.
    pub(super) fn applied(&self, place: usize) -> Result<usize> {
        let at = self.revision(place)?;
        Ok(if self.versions[place].without.is_empty() { at + 1 } else { at })
    }

    /// What differs between a database and a version.
    pub(super) async fn differences(
        &self,
        connection: &mut Connection,
        place: usize,
    ) -> Result<Vec<Difference>> {
        let (has, later) = self.parted(place)?;
        comparison::differences(connection, &has, &later).await
    }

    /// The steps that a database of a version has, and those that it does not have yet.
    pub(super) fn parted(&self, place: usize) -> Result<(Vec<&'a Step>, Vec<&'a Step>)> {
        let at = self.revision(place)?;
        let without = self.versions[place].without;
        let is_absent = |step: &&Step| step.table_name().is_some_and(|table| without.contains(&table));
        let (absent, mut has): (Vec<_>, Vec<_>) = self.revisions[at].steps().iter().partition(is_absent);
        has.splice(0..0, steps(&self.revisions[..at]));
        Ok((has, absent.into_iter().chain(steps(&self.revisions[at + 1..])).collect()))
    }

    /// What versions made beside the book after one of them, up to another.
    pub(super) fn others(&self, after: usize, to: usize) -> Vec<&'static str> {
        let versions = self.versions.get(after + 1..=to).unwrap_or_default();
        versions.iter().flat_map(|version| version.others).copied().collect()
    }

    /// The last version, after one and up to another, that made something beside the book.
    pub(super) fn last_of_others(&self, after: usize, to: usize) -> Option<&'static str> {
        let versions = self.versions.get(after + 1..=to).unwrap_or_default();
        versions.iter().rev().find(|version| !version.others.is_empty()).map(|version| version.id)
    }

    /// The book's tables that versions made after one of them, up to another.
    pub(super) fn tables(&self, after: usize, to: usize) -> Vec<&'static str> {
        let later = self.versions[to].without;
        let missing = self.versions[after].without.iter().copied();
        missing.filter(|table| !later.contains(table)).collect()
    }

    /// What can be handed back from a database that Alembic has at this version.
    pub(super) fn way_back(&self, held: Option<usize>) -> WayBack {
        let newest = self.revisions.last().map(|revision| revision.id);
        let is_newest = |version: &Version| Some(version.revision) == newest && version.without.is_empty();
        let last = self.versions.iter().rposition(is_newest);
        let (Some(held), Some(last)) = (held, last) else {
            let adopted = held.map(|held| self.versions[held].id);
            return WayBack { adopted, upgraded: None, alembic_first: None, before_upgrade: false };
        };
        let first = self.last_of_others(held, last);
        WayBack {
            adopted: Some(self.versions[held].id),
            upgraded: first.is_none().then_some(self.versions[last].id),
            alembic_first: first.map(|version| format!("alembic upgrade {version}")),
            before_upgrade: first.is_some() && !self.tables(held, last).is_empty(),
        }
    }
}

/// The parts of later versions that are there, as text: what to compare with what was there at another time.
pub(super) fn already_there(differences: &[Difference]) -> Vec<String> {
    let there = differences.iter().filter(|one| one.severity == Severity::AlreadyApplied);
    there.map(|one| format!("{}, {}", one.table, one.part)).collect()
}
