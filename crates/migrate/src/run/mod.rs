//! Runs: one upgrade or downgrade of a list of revisions.

pub(crate) mod busy_retry;
mod data_loss;
pub(crate) mod deadline;
pub(crate) mod disk_space;
pub(crate) mod duplicate_rows;
mod index_build;
mod non_transactional;
pub(crate) mod options;
pub(crate) mod privileges;
pub(crate) mod probe;
pub(crate) mod progress;
mod runner_lock;
pub(crate) mod sqlite_rebuild;
pub(crate) mod transactional;
mod unique_index;

use std::time::Instant;

use tallybook_core::database::Database;
use tallybook_core::driver::Connection;
use tallybook_core::waiting::Deadline;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Result};

use crate::catalog::other_schema::other_schema;
use crate::compare::unrecorded_tables;
use crate::history::dependencies;
use crate::history::history_name::HistoryName;
use crate::history::relative_target::{self, ResolvedTarget};
use crate::history::{self, History};
use crate::run::duplicate_rows::DuplicateRows;
use crate::run::options::Options;
use crate::run::privileges::{RequiredPrivileges, needs_down, needs_up, refuse};
use crate::run::progress::{Change, Progress, StepPosition};
use crate::run::runner_lock::Lock;
use crate::steps::revision::Revision;
use crate::steps::step::{Action, Direction};

/// A run with its connections. On PostgreSQL a lock excludes other runners; on SQLite each transaction does, and
/// reads again what others did.
pub(crate) struct Run<'a> {
    pub(crate) db: &'a Database,
    pub(crate) name: HistoryName<'a>,
    pub(crate) revisions: &'a [Revision],
    pub(crate) options: &'a Options,
    pub(crate) dialect: Dialect,
    pub(crate) connection: Connection,
    /// The time after which nothing new begins: shortly before the deadline, so that the run ends in an orderly
    /// way.
    pub(crate) until: Instant,
    pub(crate) deadline: Deadline,
    /// Set once the run has looked for transactions that an index build would wait for.
    pub(crate) checked_for_blockers: bool,
    /// Set if the database was adopted: existing tables without a record belong to the revisions.
    pub(crate) adopts_existing: bool,
    /// The rows that forbid the unique index of the current step.
    pub(crate) duplicates: Option<DuplicateRows>,
    /// The same for the steps that the current revision has done.
    pub(crate) not_unique: Vec<DuplicateRows>,
    lock: Option<Lock>,
}

impl<'a> Run<'a> {
    /// Waits for other runners and creates the history tables.
    pub(crate) async fn start(
        db: &'a Database,
        name: HistoryName<'a>,
        revisions: &'a [Revision],
        options: &'a Options,
        deadline: &Deadline,
    ) -> Result<Self> {
        db.refuse_nested_write()?;
        let until = deadline::last_begin(deadline);
        let deadline = deadline.clone();
        let lock = match db.dialect() {
            Dialect::Postgres => Some(Lock::acquire(db, options, until).await?),
            Dialect::Sqlite => None,
        };
        let connection = busy_retry::connect(db).await?;
        let dialect = db.dialect();
        Ok(Self {
            db,
            name,
            revisions,
            options,
            dialect,
            connection,
            until,
            deadline,
            checked_for_blockers: false,
            adopts_existing: false,
            duplicates: None,
            not_unique: Vec::new(),
            lock,
        })
    }

    /// Ends the run: cancels what the deadline interrupted, and closes its connections.
    pub(crate) async fn close(mut self) {
        // The schema may have changed.
        if self.connection.is_clean() {
            self.db.observe_foreign_keys(&mut self.connection).await;
        }
        deadline::end(self.connection).await;
        if let Some(lock) = self.lock {
            lock.release().await;
        }
    }

    pub(crate) async fn history(&mut self) -> Result<History> {
        history::read(&mut self.connection, self.name, self.revisions).await
    }

    pub(crate) async fn upgrade(&mut self, target: ResolvedTarget) -> Result<Vec<Change>> {
        let (name, revisions) = (self.name, self.revisions);
        let (history, unrecorded) = unrecorded_tables::read(&mut self.connection, name, revisions).await?;
        history.check_texts(revisions)?;
        let applied = history.applied();
        let position = target.position;
        if applied > position {
            return Err(Error::revision("the database is already beyond that revision; use downgrade"));
        }
        unrecorded.check(&mut self.connection, name, revisions, position).await?;
        if let Some(next) = revisions[..position].get(applied) {
            dependencies::check_met(name, next, &history)?;
        }
        if history.begun() == 0
            && applied < position
            && let Some(other_schema) = other_schema(&mut self.connection, self.revisions).await?
        {
            other_schema.refuse()?;
        }
        let mut changes = Vec::new();
        if applied < position {
            let needs = needs_up(&mut self.connection, &self.revisions[applied..position]).await?;
            self.check_privileges(needs).await?;
        }
        self.adopts_existing = unrecorded.is_adopted(&mut self.connection, name).await?;
        self.record_start(target, applied).await?;
        for index in applied..position {
            changes.extend(Box::pin(self.walk(index, Direction::Up)).await?);
        }
        self.record_end(changes).await
    }

    pub(crate) async fn downgrade(&mut self, target: ResolvedTarget) -> Result<Vec<Change>> {
        let history = self.history().await?;
        history.check_texts(self.revisions)?;
        let begun = history.begun();
        let position = target.position;
        if position > begun {
            return Err(Error::revision("the database has not reached that revision; use upgrade"));
        }
        for index in (position..begun).rev() {
            self.check_downgrade_exists(index)?;
        }
        if position < begun {
            let needs = needs_down(&self.revisions[position..begun]);
            self.check_privileges(needs).await?;
        }
        for index in (position..begun).rev() {
            dependencies::check_free(&mut self.connection, self.name, &self.revisions[index], &history)
                .await?;
        }
        if !self.options.force {
            self.check_loss(position..begun).await?;
        }
        let mut changes = Vec::new();
        self.record_start(target, begun).await?;
        for index in (position..begun).rev() {
            changes.extend(Box::pin(self.walk(index, Direction::Down)).await?);
        }
        self.record_end(changes).await
    }

    /// Before the first step: creates the history tables, and records a relative target.
    async fn record_start(&mut self, target: ResolvedTarget, from: usize) -> Result<()> {
        if let Some(begun) = target.resumed {
            self.warn(format!(
                "the same command began at {} and did not tell its end: this one goes on to revision {} and no further",
                begun.format("%F %T UTC"),
                relative_target::target_name(self.revisions, target.position)
            ));
        }
        if target.position == from {
            return Ok(());
        }
        self.create_history().await?;
        match target.steps {
            Some(steps) => {
                let record = relative_target::record(self.name, self.revisions, steps, from, target.position);
                history::write(&mut self.connection, vec![record]).await
            }
            None => Ok(()),
        }
    }

    /// After the last step: reports the end, and only then deletes the record of a relative target.
    async fn record_end(&mut self, changes: Vec<Change>) -> Result<Vec<Change>> {
        self.options.emit(&Progress::Ended { changes: changes.clone() });
        if relative_target::is_recorded(&mut self.connection, self.name).await? {
            history::write(&mut self.connection, vec![relative_target::forget(self.name)]).await?;
        }
        Ok(changes)
    }

    pub(crate) async fn create_history(&mut self) -> Result<()> {
        loop {
            match history::create(&mut self.connection).await {
                Err(error) if error.is_retryable() && Instant::now() < self.until => {
                    self.connection.clean().await?;
                }
                outcome => return outcome,
            }
        }
    }

    /// Returns an error, before anything changes, if the user lacks a privilege.
    pub(crate) async fn check_privileges(&mut self, needs: RequiredPrivileges) -> Result<()> {
        let url = &self.db.settings().database_url;
        refuse(&needs.missing(&mut self.connection, url).await?)
    }

    fn check_downgrade_exists(&self, index: usize) -> Result<()> {
        let revision = &self.revisions[index];
        let one_way = revision.steps().iter().find(|step| match &step.action {
            Action::Sql(sql) => step.takes_away(Direction::Down) && sql.texts(self.dialect).back.is_none(),
            _ => false,
        });
        match one_way {
            Some(step) => Err(Error::revision(format!(
                "revision {} ({}) can't be taken back: \"{}\" has no downgrade; restore a backup, or \
                 give it one",
                revision.id,
                revision.name,
                step.what()
            ))),
            None => Ok(()),
        }
    }

    /// Executes the steps of a revision. Returns the change, unless another runner made it.
    async fn walk(&mut self, index: usize, direction: Direction) -> Result<Option<Change>> {
        let start = Instant::now();
        let revision = &self.revisions[index];
        let count = revision.steps().len();
        let mut walked = 0;
        self.not_unique.clear();
        let mut recorded = None;
        if direction == Direction::Up && !revision.needs.is_empty() {
            history::write(&mut self.connection, dependencies::record(self.name, revision)).await?;
        }
        while walked < count {
            if let Some(lock) = &mut self.lock {
                lock.check().await?;
            }
            (walked, recorded) = self.advance(index, walked, direction).await?;
        }
        let is_ours = match recorded {
            Some(is_ours) => is_ours,
            None => self.finish(index, direction).await?,
        };
        let not_unique = std::mem::take(&mut self.not_unique);
        let change = || Change { id: revision.id, name: revision.name, took: start.elapsed(), not_unique };
        Ok(is_ours.then(change))
    }

    /// Returns the index of the next step after `walked` steps.
    pub(crate) fn number(&self, index: usize, walked: usize, direction: Direction) -> usize {
        match direction {
            Direction::Up => walked,
            Direction::Down => self.revisions[index].steps().len() - 1 - walked,
        }
    }

    pub(crate) fn place(&self, index: usize, number: usize, direction: Direction) -> StepPosition {
        let revision = &self.revisions[index];
        StepPosition {
            revision: revision.id,
            step: number + 1,
            of: revision.steps().len(),
            what: revision.steps()[number].what_in(direction),
        }
    }
}
