//! The migrator: applies and takes back revisions.

use std::sync::Arc;
use std::time::Duration;

use tallybook_core::Session;
use tallybook_core::database::Database;
use tallybook_core::driver::Connection;
use tallybook_core::waiting::{Blocker, Deadline};
use tallybook_sql::error::{Error, Result};
use tallybook_sql::redact::quoted;

use crate::catalog::other_schema::other_schema;
use crate::compare::difference::Difference;
use crate::compare::status::compare;
use crate::compare::unrecorded_tables;
use crate::history::history_name::{DEFAULT_HISTORY, HistoryName};
use crate::history::other_histories::OtherHistory;
use crate::history::relative_target::{self, ResolvedTarget};
use crate::history::{self, History, HistoryEntry};
use crate::run::options::Options;
use crate::run::privileges::{MissingPrivilege, RequiredPrivileges, refuse};
use crate::run::progress::{Change, Progress};
use crate::run::{Run, busy_retry, deadline};
use crate::steps::revision::Revision;
use crate::steps::step::Direction;
use crate::target::Target;

/// Applies and takes back revisions, on connections of its own, while others use the database.
///
/// An interrupted run, killed or not, is resumed by running it again: each step detects whether it is done.
/// Concurrent runners wait for each other.
#[derive(Clone, Debug)]
pub struct Migrator<'a> {
    pub(crate) db: &'a Database,
    pub(crate) name: HistoryName<'a>,
    pub(crate) revisions: &'a [Revision],
    pub(crate) options: Options,
}

impl<'a> Migrator<'a> {
    /// Creates a migrator for the main history, which is the book's in a database that holds one. `revisions`
    /// lists all that the program knows, oldest first.
    pub fn new(db: &'a Database, revisions: &'a [Revision]) -> Self {
        Self::named(db, DEFAULT_HISTORY, revisions)
    }

    /// Creates a migrator for revisions with a history of their own, independent of the others in the database. The
    /// name consists of a to z, 0 to 9, `_` and `-`. [`Revision::needs`] declares dependencies on other histories.
    ///
    /// ```
    /// use tallybook::migrate::{Column, Target, Migrator, Revision, Step, Type};
    /// use tallybook::{Database, Settings};
    ///
    /// const DESK: &[Revision] =
    ///     &[Revision::new("0001", "desks", &[Step::table("desks", &[Column::new("id", Type::Id)])])];
    ///
    /// # #[tokio::main]
    /// # async fn main() -> tallybook::Result<()> {
    /// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    /// Migrator::named(&db, "desk", DESK).upgrade(&Target::Head).await?;
    /// assert_eq!(Migrator::named(&db, "desk", DESK).current().await?, Some("0001"));
    /// assert_eq!(Migrator::new(&db, &[]).others().await?[0].name, "desk");
    /// # Ok(())
    /// # }
    /// ```
    pub fn named(db: &'a Database, name: &'a str, revisions: &'a [Revision]) -> Self {
        Self { db, name: HistoryName(name), revisions, options: Options::default() }
    }

    /// Sets the time limit of each call, reads included; one hour by default. At the limit a run stops, records
    /// what is done, and reports anything left half-way. Removing an unfinished index takes up to ten seconds
    /// more.
    #[must_use]
    pub fn within(mut self, time: Duration) -> Self {
        self.options.within = time;
        self
    }

    /// Permits downgrades that lose data.
    #[must_use]
    pub fn force(mut self, force: bool) -> Self {
        self.options.force = force;
        self
    }

    /// Calls `listener` with each progress event. The run waits for it, so it must return quickly.
    #[must_use]
    pub fn on_progress(mut self, listener: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.options.listener = Some(Arc::new(listener));
        self
    }

    /// Applies revisions up to the target. Returns those that this call applied, without those of a concurrent
    /// runner.
    ///
    /// [`Target::Steps`] is resolved to a revision first, and recorded until [`Progress::Ended`] was reported: the
    /// same call, repeated after its program was killed, leads to that revision and never beyond.
    ///
    /// # Errors
    /// The error names the step that failed, and why. Steps completed before it stay, and the next run continues
    /// there; steps that share its transaction are rolled back.
    pub async fn upgrade(&self, target: &Target) -> Result<Vec<Change>> {
        let deadline = self.deadline();
        let target = self.resolve(&deadline, target, Direction::Up).await?;
        self.run(&deadline, RequiredPrivileges::to_read(), async |run| Box::pin(run.upgrade(target)).await)
            .await
    }

    /// Takes revisions back, down to the target. Returns those that it took back. [`Target::Steps`] is resolved
    /// and recorded as in [`Migrator::upgrade`].
    ///
    /// # Errors
    /// As [`Migrator::upgrade`]. If a column or table to be dropped holds data, unless [`Migrator::force`] is set;
    /// then nothing was changed. With [`Target::Steps`], if an earlier run with another relative target was
    /// interrupted; the error names the commands that finish it.
    pub async fn downgrade(&self, target: &Target) -> Result<Vec<Change>> {
        let deadline = self.deadline();
        let target = self.resolve(&deadline, target, Direction::Down).await?;
        self.run(&deadline, RequiredPrivileges::to_read(), async |run| Box::pin(run.downgrade(target)).await)
            .await
    }

    /// Returns the last completely applied revision.
    ///
    /// # Errors
    /// Returns an error if the database has revisions that this program does not know.
    pub async fn current(&self) -> Result<Option<&'static str>> {
        let history =
            self.with_connection(&self.deadline(), async |connection| self.read(connection).await).await?;
        Ok(history.applied().checked_sub(1).map(|last| history.entries[last].id))
    }

    /// Returns every revision that this program knows, with the time at which it was applied.
    ///
    /// # Errors
    /// As [`Migrator::current`].
    pub async fn history(&self) -> Result<Vec<HistoryEntry>> {
        Ok(self
            .with_connection(&self.deadline(), async |connection| self.read(connection).await)
            .await?
            .entries)
    }

    /// Returns the revisions that are not completely applied, in their order, as a session sees them: on a replica, what has
    /// arrived there. For services that must not work on another schema than their own.
    ///
    /// # Errors
    /// As [`Migrator::current`].
    pub async fn pending(&self, session: &mut impl Session) -> Result<Vec<&'static str>> {
        let history = history::read_in(session, self.name, self.revisions).await?;
        let is_pending = |entry: &HistoryEntry| entry.applied_at.is_none() || entry.unfinished.is_some();
        Ok(history.entries.iter().filter(|entry| is_pending(entry)).map(|entry| entry.id).collect())
    }

    /// Compares the database with the applied revisions. The result includes benign differences; see
    /// [`Difference::is_blocking`].
    ///
    /// # Errors
    /// As [`Migrator::current`], if an applied revision was edited, and if none is completely applied: then there
    /// is nothing to compare with.
    pub async fn check(&self) -> Result<Vec<Difference>> {
        self.with_connection(&self.deadline(), async |connection| {
            self.read(connection).await?;
            let (history, differences) = compare(connection, self.name, self.revisions).await?;
            if history.applied() > 0 {
                return Ok(differences);
            }
            let why = match history.entries.iter().find(|entry| entry.unfinished.is_some()) {
                Some(half) => format!("revision {} is half-way", half.id),
                None => "no revision is recorded".to_owned(),
            };
            let (_, unrecorded) = unrecorded_tables::read(connection, self.name, self.revisions).await?;
            let advice = unrecorded.advice(connection, self.name).await?;
            let message = format!("nothing was checked: {why} in this database; {advice}");
            // The text holds nothing that comes from the database.
            Err(Error::revision_in_lines(message.lines().map(str::to_owned)))
        })
        .await
    }

    /// Returns the tables that revisions would create and that exist without a record: another tool made them, and
    /// an upgrade refuses to take them over. Empty for an adopted database.
    ///
    /// # Errors
    /// As [`Migrator::current`].
    pub async fn unrecorded(&self) -> Result<Vec<&'static str>> {
        self.with_connection(&self.deadline(), async |connection| {
            let (_, unrecorded) = unrecorded_tables::read(connection, self.name, self.revisions).await?;
            unrecorded.not_adopted(connection, self.name).await
        })
        .await
    }

    /// Returns the other histories in this database, ordered by name.
    ///
    /// # Errors
    /// As [`Migrator::current`].
    pub async fn others(&self) -> Result<Vec<OtherHistory>> {
        Ok(self
            .with_connection(&self.deadline(), async |connection| self.read(connection).await)
            .await?
            .others)
    }

    /// Accepts the current text of a revision that was edited after it was applied, and records that. Returns
    /// descriptions of the edited steps.
    ///
    /// # Errors
    /// Returns an error if there is no such revision, or it is not applied.
    pub async fn repair(&self, id: &str) -> Result<Vec<String>> {
        self.run(&self.deadline(), RequiredPrivileges::to_record(), async |run| self.accept(run, id).await)
            .await
    }

    async fn accept(&self, run: &mut Run<'_>, id: &str) -> Result<Vec<String>> {
        let history = run.history().await?;
        let Some(index) = self.revisions.iter().position(|revision| revision.id == id) else {
            return Err(Error::revision(format!("there is no revision {}", quoted(id))));
        };
        let revision = &self.revisions[index];
        if index >= history.begun() {
            return Err(Error::revision(format!("revision {id} is not applied; there is nothing to repair")));
        }
        let changed = history.changed(self.revisions).filter(|(changed, ..)| changed.id == id);
        let changed: Vec<_> = changed.map(|(_, number, _)| number).collect();
        let accepted: Vec<_> = changed.iter().map(|&number| revision.steps()[number].what()).collect();
        if changed.is_empty() {
            return Ok(accepted);
        }
        run.create_history().await?;
        let mut batch: Vec<_> = changed
            .iter()
            .filter_map(|&number| Some((number, history.state(index, number)?)))
            .map(|(number, state)| history::record_step(self.name, revision, number, state))
            .collect();
        let of_history = self.name.suffix();
        batch.push(history::event(
            "repair",
            &format!("revision {id}{of_history}: accepted {}", accepted.join(", ")),
        ));
        history::write(&mut run.connection, batch).await?;
        Ok(accepted)
    }

    /// Returns the position that a target stands for.
    async fn resolve(
        &self,
        deadline: &Deadline,
        target: &Target,
        direction: Direction,
    ) -> Result<ResolvedTarget> {
        self.with_connection(deadline, async |connection| {
            let history = self.read(connection).await?;
            relative_target::resolve(connection, self.name, self.revisions, &history, target, direction).await
        })
        .await
    }

    /// Returns the deadline of work that begins now.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.options.within)
    }

    /// Runs work until the deadline, and reports the sessions that block it.
    pub(crate) async fn until<T>(
        &self,
        deadline: &Deadline,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let tell = |blockers: &[Blocker]| {
            let what = "a lock".to_owned();
            self.options.emit(&Progress::Waiting { what, blockers: blockers.to_vec() });
        };
        self.db.until(deadline, tell, work).await
    }

    /// Runs changes until the deadline, on connections that exclude other runners. Checks the privileges first.
    pub(crate) async fn run<T>(
        &self,
        deadline: &Deadline,
        needs: RequiredPrivileges,
        work: impl AsyncFnOnce(&mut Run<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut started = None;
        // On the heap: a run is a deep nest of futures, and callers have a stack of 2 MiB.
        let change = Box::pin(async {
            let run = Run::start(self.db, self.name, self.revisions, &self.options, deadline).await?;
            let run = started.insert(run);
            run.check_privileges(needs).await?;
            work(run).await
        });
        let outcome = self.until(deadline, change).await;
        if let Some(run) = started {
            run.close().await;
        }
        outcome
    }

    /// Reads the history.
    ///
    /// # Errors
    /// Returns an error if the history is empty and the tables are in another schema.
    pub(crate) async fn read(&self, connection: &mut Connection) -> Result<History> {
        let history = history::read(connection, self.name, self.revisions).await?;
        if history.begun() == 0
            && let Some(other_schema) = other_schema(connection, self.revisions).await?
        {
            other_schema.refuse()?;
        }
        Ok(history)
    }

    /// Reads the database until the deadline. Checks first that the user may read the history tables.
    pub(crate) async fn with_connection<T>(
        &self,
        deadline: &Deadline,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T>,
    ) -> Result<T> {
        let url = &self.db.settings().database_url;
        let look = async |connection: &mut Connection| {
            refuse(&RequiredPrivileges::to_read().missing(connection, url).await?)?;
            work(connection).await
        };
        self.over_connection(deadline, look).await
    }

    /// Returns those of the privileges that the user lacks.
    pub(crate) async fn missing_of(&self, needs: RequiredPrivileges) -> Result<Vec<MissingPrivilege>> {
        let url = &self.db.settings().database_url;
        let look = async |connection: &mut Connection| needs.missing(connection, url).await;
        self.over_connection(&self.deadline(), look).await
    }

    /// Runs work on a connection of its own until the deadline.
    async fn over_connection<T>(
        &self,
        deadline: &Deadline,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T>,
    ) -> Result<T> {
        let mut opened = None;
        let work = Box::pin(async { work(opened.insert(busy_retry::connect(self.db).await?)).await });
        let outcome = self.until(deadline, work).await;
        if let Some(connection) = opened {
            deadline::end(connection).await;
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(_: impl Send) {}

    /// Compiled, never run: every future must be `Send`.
    #[expect(dead_code, reason = "it is only compiled")]
    fn every_future_may_go_to_another_thread(migrator: &Migrator<'_>) {
        send(migrator.upgrade(&Target::Head));
        send(migrator.downgrade(&Target::Base));
        send(migrator.current());
        send(migrator.history());
        send(migrator.check());
        send(migrator.plan(&Target::Head));
        send(migrator.missing_privileges(&Target::Head));
        send(migrator.adoption(&[]));
        send(migrator.adopt(&[]));
        send(migrator.release(&[]));
        send(migrator.repair(""));
    }
}
