//! The runner.

use std::sync::Arc;
use std::time::Duration;

use super::difference::Difference;
use super::goal::Goal;
use super::history::{self, Entry};
use super::name::{MAIN, Name};
use super::options::Options;
use super::others::Other;
use super::pending::{self, Target};
use super::privileges::Needs;
use super::progress::{Change, Progress};
use super::revision::Revision;
use super::run::Run;
use super::standing::compare;
use super::step::Direction;
use super::unrecorded;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::settings::quoted;
use crate::waiting::Deadline;

/// Applies revisions and takes them back, on connections of its own, while others use the database.
///
/// A run that stopped anywhere, killed or not, is simply run again: each step finds out whether it is done.
/// Runners at the same time wait for each other.
#[derive(Clone, Debug)]
pub struct Migrator<'a> {
    pub(super) db: &'a Database,
    pub(super) name: Name<'a>,
    pub(super) revisions: &'a [Revision],
    pub(super) options: Options,
}

impl<'a> Migrator<'a> {
    /// A runner for a database and the revisions its program knows, oldest first. Their history is the main one, which
    /// is the book's in a database that holds one.
    pub fn new(db: &'a Database, revisions: &'a [Revision]) -> Self {
        Self::named(db, MAIN, revisions)
    }

    /// A runner for revisions that have a history of their own in the database, independent of the others there. The
    /// name consists of a to z, 0 to 9, `_` and `-`. What they need of other histories they say by
    /// [`Revision::needs`].
    ///
    /// ```
    /// use tallybook_engine::migrate::{Column, Goal, Migrator, Revision, Step, Type};
    /// use tallybook_engine::{Database, Settings};
    ///
    /// const DESK: &[Revision] =
    ///     &[Revision::new("0001", "desks", &[Step::table("desks", &[Column::new("id", Type::Id)])])];
    ///
    /// # #[tokio::main]
    /// # async fn main() -> tallybook_engine::Result<()> {
    /// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    /// Migrator::named(&db, "desk", DESK).upgrade(&Goal::Head).await?;
    /// assert_eq!(Migrator::named(&db, "desk", DESK).current().await?, Some("0001"));
    /// assert_eq!(Migrator::new(&db, &[]).others().await?[0].name, "desk");
    /// # Ok(())
    /// # }
    /// ```
    pub fn named(db: &'a Database, name: &'a str, revisions: &'a [Revision]) -> Self {
        Self { db, name: Name(name), revisions, options: Options::default() }
    }

    /// Ends whatever it does after this time, a look as well as a run, with what was done recorded and nothing half-way
    /// that is not said. An unfinished index is removed afterwards, which takes ten seconds at most. One hour unless set.
    #[must_use]
    pub fn within(mut self, time: Duration) -> Self {
        self.options.within = time;
        self
    }

    /// Takes back also what holds data, which is lost.
    #[must_use]
    pub fn force(mut self, force: bool) -> Self {
        self.options.force = force;
        self
    }

    /// Calls `listener` with what happens, as it happens. It must not take long: the run waits for it.
    #[must_use]
    pub fn on_progress(mut self, listener: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.options.listener = Some(Arc::new(listener));
        self
    }

    /// Applies revisions up to the goal; returns those that it applied, not those that another runner did.
    ///
    /// [`Goal::Steps`] is resolved to a revision before anything else, and recorded until [`Progress::Ended`] was
    /// told: the same call, made again after its program was killed, leads to that revision and never beyond.
    ///
    /// # Errors
    /// The step that failed and why. What was done before it stays, and the next run goes on from there; steps
    /// that share its transaction are rolled back.
    pub async fn upgrade(&self, goal: &Goal) -> Result<Vec<Change>> {
        let deadline = self.deadline();
        let target = self.resolve(&deadline, goal, Direction::Up).await?;
        self.run(&deadline, Needs::to_look(), async |run| Box::pin(run.upgrade(target)).await).await
    }

    /// Takes revisions back, down to the goal; returns those that it took back. [`Goal::Steps`] is resolved and
    /// recorded as in [`Migrator::upgrade`].
    ///
    /// # Errors
    /// As [`Migrator::upgrade`]. With [`Goal::Steps`], when a run with another relative target did not tell its end; the
    /// error names the commands that finish it. When a column or a table that would go holds data, unless [`Migrator::force`] is
    /// set; then nothing was changed.
    pub async fn downgrade(&self, goal: &Goal) -> Result<Vec<Change>> {
        let deadline = self.deadline();
        let target = self.resolve(&deadline, goal, Direction::Down).await?;
        self.run(&deadline, Needs::to_look(), async |run| Box::pin(run.downgrade(target)).await).await
    }

    /// The last revision that is wholly applied.
    ///
    /// # Errors
    /// When the database has revisions that this program does not know.
    pub async fn current(&self) -> Result<Option<&'static str>> {
        let history = self.look(&self.deadline(), async |connection| self.read(connection).await).await?;
        Ok(history.applied().checked_sub(1).map(|last| history.entries[last].id))
    }

    /// Every revision that this program knows, with when it was applied.
    ///
    /// # Errors
    /// As [`Migrator::current`].
    pub async fn history(&self) -> Result<Vec<Entry>> {
        Ok(self.look(&self.deadline(), async |connection| self.read(connection).await).await?.entries)
    }

    /// What differs between what the applied revisions say and what the database has. Benign differences are
    /// among them; see [`Difference::is_blocking`].
    ///
    /// # Errors
    /// As [`Migrator::current`], when an applied revision was changed, and when none is wholly applied: then there is
    /// nothing to compare with.
    pub async fn check(&self) -> Result<Vec<Difference>> {
        self.look(&self.deadline(), async |connection| {
            self.read(connection).await?;
            let (history, differences) = compare(connection, self.name, self.revisions).await?;
            if history.applied() > 0 {
                return Ok(differences);
            }
            let why = match history.entries.iter().find(|entry| entry.unfinished.is_some()) {
                Some(half) => format!("revision {} is half-way", half.id),
                None => "no revision is recorded".to_owned(),
            };
            let (_, unrecorded) = unrecorded::look(connection, self.name, self.revisions).await?;
            let advice = unrecorded.advice(connection, self.name).await?;
            let told = format!("nothing was checked: {why} in this database; {advice}");
            // Nothing in it is of the database.
            Err(Error::revision_in_lines(told.lines().map(str::to_owned)))
        })
        .await
    }

    /// The tables that revisions would create and that are there although nothing records it: another tool made them,
    /// and an upgrade refuses to take them over. None in a database that was adopted.
    ///
    /// # Errors
    /// As [`Migrator::current`].
    pub async fn unrecorded(&self) -> Result<Vec<&'static str>> {
        self.look(&self.deadline(), async |connection| {
            let (_, unrecorded) = unrecorded::look(connection, self.name, self.revisions).await?;
            unrecorded.not_adopted(connection, self.name).await
        })
        .await
    }

    /// The histories of other revisions in this database, by name.
    ///
    /// # Errors
    /// As [`Migrator::current`].
    pub async fn others(&self) -> Result<Vec<Other>> {
        Ok(self.look(&self.deadline(), async |connection| self.read(connection).await).await?.others)
    }

    /// Accepts the present text of a revision that was changed after it was applied, and records that. Returns
    /// what the steps that changed do.
    ///
    /// # Errors
    /// When there is no such revision, or it is not applied.
    pub async fn repair(&self, id: &str) -> Result<Vec<String>> {
        self.run(&self.deadline(), Needs::to_record(), async |run| self.accept(run, id).await).await
    }

    async fn accept(&self, run: &mut Run<'_>, id: &str) -> Result<Vec<String>> {
        let history = run.history().await?;
        let Some(index) = self.revisions.iter().position(|revision| revision.id == id) else {
            return Err(Error::revision(format!("there is no revision {}", quoted(id))));
        };
        let revision = &self.revisions[index];
        if index >= history.traces() {
            return Err(Error::revision(format!("revision {id} is not applied; there is nothing to repair")));
        }
        let changed = history.changed(self.revisions).filter(|(changed, ..)| changed.id == id);
        let changed: Vec<_> = changed.map(|(_, number, _)| number).collect();
        let told: Vec<_> = changed.iter().map(|&number| revision.steps()[number].what()).collect();
        if changed.is_empty() {
            return Ok(told);
        }
        run.create_history().await?;
        let mut batch: Vec<_> = changed
            .iter()
            .filter_map(|&number| Some((number, history.state(index, number)?)))
            .map(|(number, state)| history::record_step(self.name, revision, number, state))
            .collect();
        let told_of = self.name.of();
        batch
            .push(history::event("repair", &format!("revision {id}{told_of}: accepted {}", told.join(", "))));
        history::write(&mut run.connection, batch).await?;
        Ok(told)
    }

    /// The position that a goal stands for.
    async fn resolve(&self, deadline: &Deadline, goal: &Goal, direction: Direction) -> Result<Target> {
        self.look(deadline, async |connection| {
            let history = self.read(connection).await?;
            pending::resolve(connection, self.name, self.revisions, &history, goal, direction).await
        })
        .await
    }
}
