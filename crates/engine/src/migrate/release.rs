//! Handing databases back to Alembic.

use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::sleep;

use super::chain::{Chain, Held, Version, already_there};
use super::difference::Difference;
use super::history::{self, History};
use super::migrator::Migrator;
use super::patience;
use super::pending;
use super::privileges::Needs;
use super::record::{Adopted, Event, Last};
use super::run::Run;
use crate::database::Database;
use crate::driver::{Connection, End};
use crate::error::{Error, Result};
use crate::params;
use crate::query::execute;

/// How long to wait for others to close an SQLite file, whose journal can't be changed before that.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often to look.
const POLL: Duration = Duration::from_millis(50);

/// What was handed back.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Release {
    /// The version that `alembic_version` holds; none where Alembic has none of the database.
    pub version: Option<&'static str>,
    /// The journal mode of an SQLite file, the one that it had when it was adopted. None if nothing had to be changed.
    pub journal_mode: Option<String>,
    /// It was handed back before.
    pub already: bool,
    /// What is left to do by hand.
    pub left: Option<String>,
}

impl Migrator<'_> {
    /// Hands the database back to Alembic: writes the version that fits into its table, forgets what was applied, and
    /// gives an SQLite file the journal mode back that it had. As long as nothing was upgraded that is the version
    /// that was adopted. Where SQLAlchemy's `create_all` made the database there is no version to write.
    ///
    /// A database that was handed back already is left as it is.
    ///
    /// # Errors
    /// When no version has the schema that is there; what to do first. Nothing was changed then.
    pub async fn release(&self, chain: &[Version]) -> Result<Release> {
        let deadline = self.deadline();
        let over = async |run: &mut Run<'_>| self.release_over(run, self.chain(chain)).await;
        let (mut release, state) = self.run(&deadline, Needs::to_hand_back(), over).await?;
        if let Some(mode) = state.journal_mode.filter(|mode| mode != "wal") {
            self.db.close_idle().await;
            match self.until(&deadline, give_back_journal(self.db, &mode)).await {
                Ok(()) => release.journal_mode = Some(mode),
                Err(error) => {
                    release.left = Some(format!(
                        "the file keeps its write-ahead log, because others have it open ({error}); close them and \
                         run this again"
                    ));
                }
            }
        }
        Ok(release)
    }

    async fn release_over(&self, run: &mut Run<'_>, chain: Chain<'_>) -> Result<(Release, Adopted)> {
        run.begin_as_it_is().await?;
        let last = Last::read(&mut run.connection).await?;
        let history = run.history().await?;
        if history.traces() != history.applied() {
            return Err(Error::revision("a revision is half-way; finish it by upgrade or downgrade first"));
        }
        let held = chain.held(&mut run.connection).await?;
        let mut release = Release { version: None, journal_mode: None, already: false, left: None };
        let state = match &last.event {
            Some(Event::Released(state)) if history.traces() == 0 => {
                release.already = true;
                release.version = state.version.as_deref().and_then(|id| chain.known(id));
                run.end(End::Rollback).await?;
                state.clone()
            }
            event => {
                let adopted = match event {
                    Some(Event::Adopted(adopted)) => Some(adopted),
                    _ => None,
                };
                check_is_alembics(adopted, held, &history)?;
                let place = match held {
                    Held::Version(held) => {
                        Some(fitting(&mut run.connection, chain, held, adopted, &history).await?)
                    }
                    Held::Nothing | Held::NoTable => None,
                };
                let version = place.map(|place| chain.versions[place].id);
                let state =
                    Adopted { version: version.map(str::to_owned), ..adopted.cloned().unwrap_or_default() };
                let mut batch = history::tables(&mut run.connection).await?;
                if place.map(Held::Version).is_some_and(|place| place != held) {
                    batch.push(execute("UPDATE alembic_version SET version_num = $1", params![version]));
                }
                batch.extend(self.revisions.iter().flat_map(|one| history::erase(self.name, one)));
                batch.push(pending::forget(self.name));
                batch.push(last.record(&Event::Released(state.clone()))?);
                run.write_within(batch).await?;
                run.end(End::Commit).await?;
                release.version = version;
                state
            }
        };
        Ok((release, state))
    }
}

impl Chain<'_> {
    fn known(&self, id: &str) -> Option<&'static str> {
        self.place(id).map(|place| self.versions[place].id)
    }
}

/// Only what was adopted is handed back, or what Alembic has a version of.
fn check_is_alembics(adopted: Option<&Adopted>, held: Held, history: &History) -> Result<()> {
    let was_with_alembic = adopted.is_some_and(|adopted| adopted.version.is_some());
    match (adopted, held) {
        (None, Held::NoTable | Held::Nothing) => Err(Error::revision(
            "there is nothing to hand back: Alembic never had this database, and it was not adopted",
        )),
        (None, Held::Version(_)) if history.traces() == 0 => {
            Err(Error::revision("there is nothing to hand back: the database is not adopted"))
        }
        (Some(_), Held::NoTable | Held::Nothing) if was_with_alembic => Err(Error::revision(
            "alembic_version was adopted with a version and has none now; put it back, or `alembic stamp` the \
             version that fits",
        )),
        _ => Ok(()),
    }
}

/// The version to hand back: the one that Alembic has, if the book's tables are still or again as it made them; else
/// one that made nothing beside the book's tables that is not there, nor the other way round.
async fn fitting(
    connection: &mut Connection,
    chain: Chain<'_>,
    held: usize,
    adopted: Option<&Adopted>,
    history: &History,
) -> Result<usize> {
    let mut has_tables_of = None;
    let mut of_held = Vec::new();
    let mut others: Vec<_> = (0..chain.versions.len()).filter(|&place| place != held).collect();
    others.sort_by_key(|&place| (place.abs_diff(held), place));
    for place in [held].into_iter().chain(others) {
        let differences = chain.differences(connection, place).await?;
        let id = chain.versions[place].id;
        // What was there when this version was adopted belongs to it.
        let known = adopted.filter(|adopted| adopted.version.as_deref() == Some(id));
        let known = known.map(|adopted| &*adopted.already).unwrap_or_default();
        let is_more = already_there(&differences).iter().any(|part| !known.contains(part));
        let fits = !is_more && !differences.iter().any(Difference::is_blocking);
        let is_same_beside = chain.others(place.min(held), place.max(held)).is_empty();
        if fits && is_same_beside {
            return Ok(place);
        }
        if fits {
            has_tables_of.get_or_insert(place);
        }
        if place == held {
            of_held = differences;
        }
    }
    let current = history.applied().checked_sub(1).map(|last| history.entries[last].id);
    Err(Error::revision(match has_tables_of {
        Some(place) if place > held => advice(chain, held, place, current),
        _ => mixed(chain, held, &of_held),
    }))
}

/// What to do where the book is ahead of what Alembic made beside it.
fn advice(chain: Chain<'_>, held: usize, place: usize, current: Option<&str>) -> String {
    let (had, has) = (&chain.versions[held], &chain.versions[place]);
    let what = format!(
        "no version of Alembic fits: the book's tables are those of {}, and what Alembic made beside them is that of \
         {}; missing: {}. ",
        has.id,
        had.id,
        chain.others(held, place).join(", ")
    );
    let back = match current {
        Some(current) if current != had.revision => {
            format!("take the upgrade back (`tallybook migrate downgrade {}`)", had.revision)
        }
        _ => String::new(),
    };
    let tables = chain.tables(held, place);
    if !tables.is_empty() {
        let and = if back.is_empty() { "" } else { ", " };
        return format!(
            "{what}Alembic can't make that any more, because the upgrade made {tables}. Either {back}{and}drop {tables} \
             if its rows may be lost, and release again, which hands back {}; or stay",
            had.id,
            tables = tables.join(", ")
        );
    }
    let first = chain.last_of_others(held, place).unwrap_or(has.id);
    format!(
        "{what}Either let Alembic make it (`alembic upgrade {first}`) and release again, which hands back {}; or {back} \
         and release again, which hands back {}",
        has.id, had.id
    )
}

/// What to do where the book is like no version.
fn mixed(chain: Chain<'_>, held: usize, differences: &[Difference]) -> String {
    let told: Vec<_> = differences.iter().filter(|one| one.is_blocking()).map(ToString::to_string).collect();
    let told = if told.is_empty() { already_there(differences) } else { told };
    format!(
        "no version of Alembic has the book's tables as they are; from {}, which alembic_version holds, differ: {}",
        chain.versions[held].id,
        told.join("; ")
    )
}

/// Changes the journal of an SQLite file, which only its last user can.
async fn give_back_journal(db: &Database, mode: &str) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    let mut connection = patience::connect(db).await?;
    loop {
        match connection.script(&format!("PRAGMA journal_mode = {mode}")).await {
            Err(error) if error.is_locked() && Instant::now() < until => sleep(POLL).await,
            outcome => {
                connection.close().await;
                return outcome;
            }
        }
    }
}
