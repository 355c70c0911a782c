//! One run of revisions, up or down.

use std::time::{Duration, Instant};

use super::elsewhere::elsewhere;
use super::history::{self, History};
use super::lock::Lock;
use super::look;
use super::name::Name;
use super::needs;
use super::options::Options;
use super::patience;
use super::pending::{self, Target};
use super::privileges::{Needs, needs_down, needs_up, refuse};
use super::progress::{Change, Place, Progress};
use super::revision::Revision;
use super::step::{Action, Direction};
use super::unrecorded;
use crate::database::Database;
use crate::driver::Connection;
use crate::error::{Error, Result};
use crate::settings::Engine;
use crate::waiting::Deadline;

/// What a run has to say why it ends, before the deadline ends it.
const MARGIN: Duration = Duration::from_millis(300);

/// A run with its connections. On PostgreSQL it keeps other runners out; on SQLite each of its transactions does,
/// and looks again at what others did.
pub(super) struct Run<'a> {
    pub(super) db: &'a Database,
    pub(super) name: Name<'a>,
    pub(super) revisions: &'a [Revision],
    pub(super) options: &'a Options,
    pub(super) engine: Engine,
    pub(super) connection: Connection,
    /// When nothing new is begun: somewhat before the deadline, to end in good order.
    pub(super) until: Instant,
    pub(super) deadline: Deadline,
    /// It was looked for what index builds would have to wait for.
    pub(super) has_looked: bool,
    /// The database was adopted: tables that are there without a record are the revisions'.
    pub(super) takes_over: bool,
    lock: Option<Lock>,
}

impl<'a> Run<'a> {
    /// Waits for other runners, and makes the tables of history.
    pub(super) async fn start(
        db: &'a Database,
        name: Name<'a>,
        revisions: &'a [Revision],
        options: &'a Options,
        deadline: &Deadline,
    ) -> Result<Self> {
        db.refuse_nested_write()?;
        let margin = MARGIN.min(deadline.limit() / 10);
        let until = deadline.end().checked_sub(margin).unwrap_or_else(Instant::now);
        let deadline = deadline.clone();
        let lock = match db.engine() {
            Engine::Postgres => Some(Lock::acquire(db, options, until).await?),
            Engine::Sqlite => None,
        };
        let connection = patience::connect(db).await?;
        let engine = db.engine();
        Ok(Self {
            db,
            name,
            revisions,
            options,
            engine,
            connection,
            until,
            deadline,
            has_looked: false,
            takes_over: false,
            lock,
        })
    }

    /// Ends it: what a deadline broke off is cancelled, and its connections are closed.
    pub(super) async fn end_all(mut self) {
        // The tables may be others now.
        if self.connection.is_clean() {
            self.db.learn_relations(&mut self.connection).await;
        }
        look::end(self.connection).await;
        if let Some(lock) = self.lock {
            lock.release().await;
        }
    }

    pub(super) async fn history(&mut self) -> Result<History> {
        history::read(&mut self.connection, self.name, self.revisions).await
    }

    pub(super) async fn upgrade(&mut self, target: Target) -> Result<Vec<Change>> {
        let (name, revisions) = (self.name, self.revisions);
        let (history, unrecorded) = unrecorded::look(&mut self.connection, name, revisions).await?;
        history.check_texts(revisions)?;
        let applied = history.applied();
        let position = target.position;
        if applied > position {
            return Err(Error::revision("the database is already beyond that revision; use downgrade"));
        }
        unrecorded.check(&mut self.connection, name, revisions, position).await?;
        if let Some(next) = revisions[..position].get(applied) {
            needs::check_met(name, next, &history)?;
        }
        if history.traces() == 0
            && applied < position
            && let Some(elsewhere) = elsewhere(&mut self.connection, self.revisions).await?
        {
            elsewhere.refuse()?;
        }
        let mut changes = Vec::new();
        if applied < position {
            let needs = needs_up(&mut self.connection, &self.revisions[applied..position]).await?;
            self.check_privileges(needs).await?;
        }
        self.takes_over = unrecorded.is_adopted(&mut self.connection, name).await?;
        self.set_out(target, applied).await?;
        for index in applied..position {
            changes.extend(Box::pin(self.walk(index, Direction::Up)).await?);
        }
        self.arrive(changes).await
    }

    pub(super) async fn downgrade(&mut self, target: Target) -> Result<Vec<Change>> {
        let history = self.history().await?;
        history.check_texts(self.revisions)?;
        let traces = history.traces();
        let position = target.position;
        if position > traces {
            return Err(Error::revision("the database has not reached that revision; use upgrade"));
        }
        for index in (position..traces).rev() {
            self.check_way_back(index)?;
        }
        if position < traces {
            let needs = needs_down(&self.revisions[position..traces]);
            self.check_privileges(needs).await?;
        }
        for index in (position..traces).rev() {
            needs::check_free(&mut self.connection, self.name, &self.revisions[index], &history).await?;
        }
        if !self.options.force {
            self.check_loss(position..traces).await?;
        }
        let mut changes = Vec::new();
        self.set_out(target, traces).await?;
        for index in (position..traces).rev() {
            changes.extend(Box::pin(self.walk(index, Direction::Down)).await?);
        }
        self.arrive(changes).await
    }

    /// Before the first step: the tables of history, and a record of what a relative target is.
    async fn set_out(&mut self, target: Target, from: usize) -> Result<()> {
        if let Some(begun) = target.resumed {
            self.warn(format!(
                "the same command began at {} and did not tell its end: this one goes on to revision {} and no further",
                begun.format("%F %T UTC"),
                pending::place(self.revisions, target.position)
            ));
        }
        if target.position == from {
            return Ok(());
        }
        self.create_history().await?;
        match target.steps {
            Some(steps) => {
                let record = pending::record(self.name, self.revisions, steps, from, target.position);
                history::write(&mut self.connection, vec![record]).await
            }
            None => Ok(()),
        }
    }

    /// After the last step: tells the end, and only then forgets what a relative target was.
    async fn arrive(&mut self, changes: Vec<Change>) -> Result<Vec<Change>> {
        self.options.emit(&Progress::Ended { changes: changes.clone() });
        if pending::is_there(&mut self.connection, self.name).await? {
            history::write(&mut self.connection, vec![pending::forget(self.name)]).await?;
        }
        Ok(changes)
    }

    pub(super) async fn create_history(&mut self) -> Result<()> {
        loop {
            match history::create(&mut self.connection).await {
                Err(error) if error.is_retryable() && Instant::now() < self.until => {
                    self.connection.clean().await?;
                }
                outcome => return outcome,
            }
        }
    }

    /// Refuses, before anything is done, what this user may not do.
    pub(super) async fn check_privileges(&mut self, needs: Needs) -> Result<()> {
        let url = &self.db.settings().database_url;
        refuse(&needs.missing(&mut self.connection, url).await?)
    }

    fn check_way_back(&self, index: usize) -> Result<()> {
        let revision = &self.revisions[index];
        let one_way = revision.steps().iter().find(|step| match &step.action {
            Action::Sql(sql) => step.takes_away(Direction::Down) && sql.texts(self.engine).back.is_none(),
            _ => false,
        });
        match one_way {
            Some(step) => Err(Error::revision(format!(
                "revision {} ({}) can't be taken back: nobody said how to take back \"{}\"; restore a backup, or \
                 give it a way back",
                revision.id,
                revision.name,
                step.what()
            ))),
            None => Ok(()),
        }
    }

    /// Walks through a revision's steps; the change, unless another runner made it.
    async fn walk(&mut self, index: usize, direction: Direction) -> Result<Option<Change>> {
        let start = Instant::now();
        let revision = &self.revisions[index];
        let count = revision.steps().len();
        let mut walked = 0;
        let mut recorded = None;
        if direction == Direction::Up && !revision.needs.is_empty() {
            history::write(&mut self.connection, needs::record(self.name, revision)).await?;
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
        let change = || Change { id: revision.id, name: revision.name, took: start.elapsed() };
        Ok(is_ours.then(change))
    }

    /// The step that is the next after so many.
    pub(super) fn number(&self, index: usize, walked: usize, direction: Direction) -> usize {
        match direction {
            Direction::Up => walked,
            Direction::Down => self.revisions[index].steps().len() - 1 - walked,
        }
    }

    pub(super) fn place(&self, index: usize, number: usize, direction: Direction) -> Place {
        let revision = &self.revisions[index];
        Place {
            revision: revision.id,
            step: number + 1,
            of: revision.steps().len(),
            what: revision.steps()[number].what_in(direction),
        }
    }
}
