//! The runner.

use std::time::{Duration, Instant};

use super::history::{self, Entry};
use super::{Goal, Revision, Step};
use crate::database::Database;
use crate::driver::{Begin, Bounds, Connection, End};
use crate::error::{Error, Result};
use crate::params;
use crate::query::{Batch, Execute, execute, one};
use crate::settings::Engine;

/// The key of PostgreSQL's advisory lock: "tallybk" in ASCII.
const LOCK_KEY: i64 = 0x74_61_6c_6c_79_62_6b;
/// How long to wait for another runner, and how often to look. Looking, instead of blocking, holds no
/// snapshot that others would have to wait for.
const LOCK_LIMIT: Duration = Duration::from_secs(300);
const LOCK_POLL: Duration = Duration::from_millis(200);

/// Applies and rolls back revisions on a connection of its own.
#[derive(Clone)]
pub struct Migrator<'a> {
    db: &'a Database,
    revisions: &'a [Revision],
}

/// A revision that was applied or rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Its identifier.
    pub id: &'static str,
    /// What it is about.
    pub name: &'static str,
    /// How long it took.
    pub took: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl<'a> Migrator<'a> {
    /// A runner for a database and the revisions its program knows, oldest first.
    pub fn new(db: &'a Database, revisions: &'a [Revision]) -> Self {
        Self { db, revisions }
    }

    /// Applies revisions up to the goal, each in a transaction; returns those that it applied.
    ///
    /// Runners at the same time wait for each other.
    ///
    /// # Errors
    /// The step that failed and why; its revision is rolled back, those before it stay.
    pub async fn upgrade(&self, goal: &Goal) -> Result<Vec<Change>> {
        self.run(goal, Direction::Up).await
    }

    /// Rolls revisions back down to the goal, each in a transaction; returns those that it rolled back.
    ///
    /// # Errors
    /// As [`Migrator::upgrade`].
    pub async fn downgrade(&self, goal: &Goal) -> Result<Vec<Change>> {
        self.run(goal, Direction::Down).await
    }

    /// The last applied revision.
    ///
    /// # Errors
    /// When the database has revisions that this program does not know.
    pub async fn current(&self) -> Result<Option<&'static str>> {
        let entries = self.history().await?;
        Ok(history::applied(&entries).checked_sub(1).map(|last| entries[last].id))
    }

    /// Every revision that this program knows, with when it was applied.
    ///
    /// # Errors
    /// As [`Migrator::current`].
    pub async fn history(&self) -> Result<Vec<Entry>> {
        history::read(&mut self.db.connect().await?, self.revisions).await
    }

    async fn run(&self, goal: &Goal, direction: Direction) -> Result<Vec<Change>> {
        let mut connection = self.db.connect().await?;
        let mut changes = Vec::new();
        // Where the goal lies is fixed by the first look, so that `-1` is one step and not all of them.
        let mut target = None;
        loop {
            lock(&mut connection).await?;
            history::create(&mut connection).await?;
            let entries = history::read(&mut connection, self.revisions).await?;
            let applied = history::applied(&entries);
            let target = match target {
                Some(target) => target,
                None => *target.insert(goal.position(self.revisions, applied)?),
            };
            let Some(revision) = self.next(applied, target, direction)? else {
                end(&mut connection, End::Commit).await?;
                return Ok(changes);
            };
            let start = Instant::now();
            apply(&mut connection, revision, direction).await?;
            changes.push(Change { id: revision.id, name: revision.name, took: start.elapsed() });
        }
    }

    /// The revision to apply or roll back next, if the goal is not reached.
    fn next(&self, applied: usize, target: usize, direction: Direction) -> Result<Option<&'a Revision>> {
        match direction {
            Direction::Up if applied < target => Ok(Some(&self.revisions[applied])),
            Direction::Down if applied > target => Ok(Some(&self.revisions[applied - 1])),
            Direction::Up if applied > target => {
                Err(Error::revision("the database is already beyond that revision; use downgrade"))
            }
            Direction::Down if applied < target => {
                Err(Error::revision("the database has not reached that revision; use upgrade"))
            }
            _ => Ok(None),
        }
    }
}

/// Begins a transaction that only one runner has at a time.
async fn lock(connection: &mut Connection) -> Result<()> {
    let begin = Bounds { begin: Some(Begin::Write), ..Bounds::default() };
    if connection.engine() == Engine::Sqlite {
        // BEGIN IMMEDIATE is the lock.
        return connection.fly(Vec::<Execute>::new(), begin).await.map(drop);
    }
    let deadline = Instant::now() + LOCK_LIMIT;
    loop {
        let query = one::<(bool,)>("SELECT pg_try_advisory_xact_lock($1)", params![LOCK_KEY]);
        if connection.fly(query, begin).await?.finish()?.0 {
            return Ok(());
        }
        end(connection, End::Rollback).await?;
        if Instant::now() >= deadline {
            return Err(Error::revision(format!(
                "another runner has held the lock for {} s; look for it in pg_locks (advisory)",
                LOCK_LIMIT.as_secs()
            )));
        }
        tokio::time::sleep(LOCK_POLL).await;
    }
}

/// Runs the steps and the record of one revision, and commits them together.
async fn apply(connection: &mut Connection, revision: &Revision, direction: Direction) -> Result<()> {
    let (steps, record) = match direction {
        Direction::Up => (revision.upgrade, history::record(revision)),
        Direction::Down => (revision.downgrade, history::erase(revision)),
    };
    for step in steps {
        run_step(connection, revision, step).await?;
    }
    connection.fly(record, Bounds { end: Some(End::Commit), ..Bounds::default() }).await.map(drop)
}

async fn run_step(connection: &mut Connection, revision: &Revision, step: &Step) -> Result<()> {
    let Err(error) = connection.fly(execute(step.statement(), params![]), Bounds::default()).await else {
        return Ok(());
    };
    let message = format!(
        "revision {} ({}) stopped at the step \"{}\" and was rolled back: {error}",
        revision.id,
        revision.name,
        step.what()
    );
    end(connection, End::Rollback).await?;
    Err(Error::revision(message).with_source(error))
}

async fn end(connection: &mut Connection, end: End) -> Result<()> {
    let bounds = Bounds { end: Some(end), ..Bounds::default() };
    connection.fly(Vec::<Execute>::new(), bounds).await.map(drop)
}
