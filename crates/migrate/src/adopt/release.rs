//! Hands databases back to Alembic.

use std::time::{Duration, Instant};

use serde::Serialize;
use tallybook_core::database::Database;
use tallybook_core::driver::Connection;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::params;
use tallybook_sql::query::execute;
use tallybook_sql::transaction::End;
use tokio::time::sleep;

use crate::adopt::adoption_record::{AdoptedState, AdoptionEvent, LastAdoption};
use crate::adopt::alembic_chain::{AlembicStamp, Chain, Version, already_there};
use crate::compare::difference::Difference;
use crate::history::relative_target;
use crate::history::{self, History};
use crate::migrator::Migrator;
use crate::run::Run;
use crate::run::busy_retry;
use crate::run::privileges::RequiredPrivileges;

/// Time to wait for other connections to an SQLite file to close, since only the last one can change the journal
/// mode.
const PATIENCE: Duration = Duration::from_secs(5);
/// Poll interval.
const POLL: Duration = Duration::from_millis(50);

/// The result of handing a database back.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Release {
    /// The version in `alembic_version`; `None` if Alembic has none of the database.
    pub version: Option<&'static str>,
    /// The restored journal mode of an SQLite file; `None` if it had not changed.
    pub journal_mode: Option<String>,
    /// Set if the database was handed back before.
    pub already: bool,
    /// A step left to do by hand.
    pub left: Option<String>,
}

impl Migrator<'_> {
    /// Hands the database back to Alembic: writes the version that fits into its table, forgets the applied
    /// revisions, and restores the journal mode of an SQLite file. Before any upgrade that is the adopted version.
    /// For a database made by SQLAlchemy's `create_all` there is no version to write.
    ///
    /// A database that was handed back already is left unchanged.
    ///
    /// # Errors
    /// Returns an error if no version matches the schema; it says what to do first. Nothing was changed then.
    pub async fn release(&self, chain: &[Version]) -> Result<Release> {
        let deadline = self.deadline();
        let over = async |run: &mut Run<'_>| self.release_over(run, self.chain(chain)).await;
        let (mut release, state) = self.run(&deadline, RequiredPrivileges::to_release(), over).await?;
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

    async fn release_over(&self, run: &mut Run<'_>, chain: Chain<'_>) -> Result<(Release, AdoptedState)> {
        run.begin_keeping_journal().await?;
        let last = LastAdoption::read(&mut run.connection).await?;
        let history = run.history().await?;
        if history.begun() != history.applied() {
            return Err(Error::revision("a revision is half-way; finish it by upgrade or downgrade first"));
        }
        let held = chain.stamp(&mut run.connection).await?;
        let mut release = Release { version: None, journal_mode: None, already: false, left: None };
        let state = match &last.event {
            Some(AdoptionEvent::Released(state)) if history.begun() == 0 => {
                release.already = true;
                release.version = state.version.as_deref().and_then(|id| chain.known(id));
                run.end(End::Rollback).await?;
                state.clone()
            }
            event => {
                let adopted = match event {
                    Some(AdoptionEvent::Adopted(adopted)) => Some(adopted),
                    _ => None,
                };
                check_is_alembics(adopted, held, &history)?;
                let place = match held {
                    AlembicStamp::Version(held) => {
                        Some(release_target(&mut run.connection, chain, held, adopted, &history).await?)
                    }
                    AlembicStamp::Empty | AlembicStamp::NoTable => None,
                };
                let version = place.map(|place| chain.versions[place].id);
                let state = AdoptedState {
                    version: version.map(str::to_owned),
                    ..adopted.cloned().unwrap_or_default()
                };
                let mut batch = history::tables(&mut run.connection).await?;
                if place.map(AlembicStamp::Version).is_some_and(|place| place != held) {
                    batch.push(execute("UPDATE alembic_version SET version_num = $1", params![version]));
                }
                batch.extend(self.revisions.iter().flat_map(|one| history::erase(self.name, one)));
                batch.push(relative_target::forget(self.name));
                batch.push(last.record(&AdoptionEvent::Released(state.clone()))?);
                run.write_in_transaction(batch).await?;
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

/// Checks that the database was adopted, or that Alembic has a version of it.
fn check_is_alembics(adopted: Option<&AdoptedState>, held: AlembicStamp, history: &History) -> Result<()> {
    let was_with_alembic = adopted.is_some_and(|adopted| adopted.version.is_some());
    match (adopted, held) {
        (None, AlembicStamp::NoTable | AlembicStamp::Empty) => Err(Error::revision(
            "there is nothing to hand back: Alembic never had this database, and it was not adopted",
        )),
        (None, AlembicStamp::Version(_)) if history.begun() == 0 => {
            Err(Error::revision("there is nothing to hand back: the database is not adopted"))
        }
        (Some(_), AlembicStamp::NoTable | AlembicStamp::Empty) if was_with_alembic => Err(Error::revision(
            "alembic_version was adopted with a version and has none now; put it back, or `alembic stamp` the \
             version that fits",
        )),
        _ => Ok(()),
    }
}

/// Returns the version to hand back: Alembic's own, if the book's tables match it; else another version with the
/// same objects outside the book.
async fn release_target(
    connection: &mut Connection,
    chain: Chain<'_>,
    held: usize,
    adopted: Option<&AdoptedState>,
    history: &History,
) -> Result<usize> {
    if let Some(newest) = chain.newest()
        && let Some(later) = history.applied().checked_sub(1).filter(|&last| last > newest)
    {
        return Err(Error::revision(format!(
            "no version of Alembic has what revision {} made. Take it back (`tallybook migrate downgrade {}`) and release \
             again",
            history.entries[later].id, history.entries[newest].id
        )));
    }
    let mut has_tables_of = None;
    let mut of_held = Vec::new();
    let mut others: Vec<_> = (0..chain.versions.len()).filter(|&place| place != held).collect();
    others.sort_by_key(|&place| (place.abs_diff(held), place));
    for place in [held].into_iter().chain(others) {
        let differences = chain.differences(connection, place).await?;
        let id = chain.versions[place].id;
        // What existed when this version was adopted belongs to it.
        let known = adopted.filter(|adopted| adopted.version.as_deref() == Some(id));
        let known = known.map(|adopted| &*adopted.already).unwrap_or_default();
        let is_more = already_there(&differences).iter().any(|part| !known.contains(part));
        let fits = !is_more && !differences.iter().any(Difference::is_blocking);
        let is_same_outside_book = chain.others(place.min(held), place.max(held)).is_empty();
        if fits && is_same_outside_book {
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

/// Explains what to do if the book is ahead of what Alembic made outside it.
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

/// Explains what to do if the book matches no version.
fn mixed(chain: Chain<'_>, held: usize, differences: &[Difference]) -> String {
    let parts: Vec<_> = differences.iter().filter(|one| one.is_blocking()).map(ToString::to_string).collect();
    let parts = if parts.is_empty() { already_there(differences) } else { parts };
    format!(
        "no version of Alembic has the book's tables as they are; from {}, which alembic_version holds, differ: {}",
        chain.versions[held].id,
        parts.join("; ")
    )
}

/// Changes the journal mode of an SQLite file, which needs the file to itself.
async fn give_back_journal(db: &Database, mode: &str) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    let mut connection = busy_retry::connect(db).await?;
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
