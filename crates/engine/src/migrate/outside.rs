//! Steps outside of a transaction.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::apply::is_recorded;
use super::build::{self, Build};
use super::catalog;
use super::difference;
use super::history::{self, State};
use super::index::Index;
use super::probe::drifted;
use super::progress::{Place, Progress};
use super::run::Run;
use super::script;
use super::space;
use super::step::{Action, Direction, Step};
use crate::error::{Error, Result};
use crate::settings::Engine;
use crate::waiting::activity::{self, blockers};
use crate::waiting::names;

/// How often a build is looked at.
const POLL: Duration = Duration::from_millis(250);
/// How long cleaning up may take behind the deadline.
const GRACE: Duration = Duration::from_secs(10);

impl Run<'_> {
    /// Does a step outside of a transaction, and records it.
    pub(super) async fn outside(&mut self, index: usize, number: usize, direction: Direction) -> Result<()> {
        let start = Instant::now();
        let revision = &self.revisions[index];
        let step = &revision.steps()[number];
        let place = self.place(index, number, direction);
        let history = self.history().await?;
        self.check_neighbours(&history, index, direction).await?;
        if direction == Direction::Down {
            let marks = self.marks(&history, index);
            history::write(&mut self.connection, marks).await?;
        }
        self.options.emit(&Progress::Started(place.clone()));
        let already = match &step.action {
            Action::Sql(_) if is_recorded(&history, index, number, direction) => true,
            Action::Sql(_) => self.run_sql(index, number, direction).await.map(|()| false)?,
            Action::Index(wanted) if step.takes_away(direction) => {
                self.remove(step, wanted, direction).await?
            }
            Action::Index(wanted) => self.build(wanted, &place).await?,
            _ => true,
        };
        if !already {
            self.options.emit(&Progress::Applied(place.clone()));
        }
        let state = if direction == Direction::Up { State::Done } else { State::Gone };
        history::write(&mut self.connection, vec![history::record_step(self.name, revision, number, state)])
            .await?;
        self.options.emit(&Progress::Done { place, seconds: start.elapsed().as_secs_f64(), already });
        Ok(())
    }

    /// Runs SQL that can't be in a transaction: one statement a message, none beyond the deadline.
    async fn run_sql(&mut self, index: usize, number: usize, direction: Direction) -> Result<()> {
        let revision = &self.revisions[index];
        let step = &revision.steps()[number];
        if direction == Direction::Up {
            let running = history::record_step(self.name, revision, number, State::Running);
            history::write(&mut self.connection, vec![running]).await?;
        }
        for sql in step.statements(direction, self.engine, &super::probe::Probe::Unknown) {
            // SQLite itself knows best where a statement ends.
            let parts = if self.engine == Engine::Sqlite { vec![&*sql] } else { script::statements(&sql) };
            for part in parts {
                let left = self.until.saturating_duration_since(Instant::now());
                let outcome = timeout(left, self.connection.script(part)).await;
                match outcome {
                    Ok(outcome) => outcome?,
                    Err(_) => {
                        self.clean().await?;
                        return Err(Error::revision(format!("the deadline came; `{part}` was cancelled")));
                    }
                }
            }
        }
        Ok(())
    }

    /// Makes sure that an index is there, the one that is wanted, and valid; whether it was.
    async fn build(&mut self, wanted: &Index, place: &Place) -> Result<bool> {
        self.check_table(wanted).await?;
        loop {
            match catalog::index(&mut self.connection, wanted.name).await? {
                Some(there) if !difference::is_same(wanted, &there) => {
                    let differs = difference::index(wanted, Some(&there)).map(|one| one.to_string());
                    return Err(drifted(&place.what, &differs.unwrap_or_default()));
                }
                Some(there) if there.is_valid => return Ok(true),
                Some(_) => {
                    if let Some(pid) = build::builder(&mut self.connection, wanted.name).await? {
                        self.wait_for_builder(pid, wanted).await?;
                    } else {
                        self.warn(format!(
                            "{} is INVALID, left by a build that failed: it is dropped and built anew",
                            wanted.name
                        ));
                        self.drop_concurrently(wanted.name, self.until).await?;
                    }
                }
                None => {
                    self.look_around(wanted).await?;
                    self.build_new(wanted, place).await?;
                    return match catalog::index(&mut self.connection, wanted.name).await? {
                        Some(there) if there.is_valid && difference::is_same(wanted, &there) => Ok(false),
                        _ => Err(Error::revision(format!("{} was built and is not to be seen", wanted.name))),
                    };
                }
            }
        }
    }

    async fn check_table(&mut self, wanted: &Index) -> Result<()> {
        let table = wanted.table;
        match catalog::table(&mut self.connection, table).await? {
            None => Err(Error::revision(format!("there is no table {table} in the current schema"))),
            Some(found) if found.is_partitioned => Err(Error::revision(format!(
                "{table} is partitioned, and PostgreSQL can't build an index on all partitions while they are \
                 written to. Build it on each partition with CREATE INDEX CONCURRENTLY, create it with CREATE INDEX \
                 … ON ONLY {table}, attach each with ALTER INDEX … ATTACH PARTITION, and run again"
            ))),
            Some(_) => Ok(()),
        }
    }

    /// An earlier runner was killed and its server process builds on.
    async fn wait_for_builder(&mut self, pid: i64, wanted: &Index) -> Result<()> {
        if Instant::now() >= self.until {
            return Err(Error::revision(format!(
                "the deadline came while process {pid} still built {}; let it end, or end it by `SELECT \
                 pg_terminate_backend({pid})`, and run again",
                wanted.name
            )));
        }
        let blockers = blockers(&mut self.connection, &[pid]).await?;
        let what = format!("process {pid}, which already builds {}", wanted.name);
        self.options.emit(&Progress::Waiting { what, blockers });
        sleep(activity::jittered(POLL)).await;
        Ok(())
    }

    /// Before the first build: is anything in its way, and is there room?
    async fn look_around(&mut self, wanted: &Index) -> Result<()> {
        if !self.has_looked {
            self.has_looked = true;
            let old = activity::old_transactions(&mut self.connection).await?;
            if !old.is_empty() {
                let what = "an index build has to wait for these old transactions".to_owned();
                self.options.emit(&Progress::Warning { what, blockers: old });
            }
        }
        space::check_index(&mut self.connection, wanted).await
    }

    async fn build_new(&mut self, wanted: &Index, place: &Place) -> Result<()> {
        let sql = wanted.sql_concurrently();
        let mut watch = self.db.connect().await?;
        let mut state = Build::new(wanted.name);
        let outcome = {
            let build = self.connection.script(&sql);
            tokio::pin!(build);
            loop {
                tokio::select! {
                    outcome = &mut build => break Some(outcome),
                    () = sleep(POLL) => {}
                }
                // That the build can't be watched is no reason to end it.
                if let Ok(Some(progress)) = state.look(&mut watch, place).await {
                    self.options.emit(&progress);
                }
                if Instant::now() >= self.until {
                    break None;
                }
            }
        };
        let error = match outcome {
            Some(Ok(())) => return Ok(()),
            Some(Err(error)) => error,
            None => Error::revision(format!("the deadline came; it waited for: {}", state.told())),
        };
        // Whoever comes next pays for an unfinished index.
        self.deadline.extend(GRACE + GRACE / 10);
        // Cancels what is under way.
        self.clean().await?;
        match self.drop_concurrently(wanted.name, Instant::now() + GRACE).await {
            Ok(()) => Err(error),
            Err(_) => {
                let holders = activity::lock_holders(&mut self.connection, wanted.table).await?;
                let left = format!(
                    "{error}. The unfinished index {} is left INVALID, because somebody still uses {}: {}. The next \
                     run drops it and builds it anew",
                    wanted.name,
                    wanted.table,
                    names(&holders)
                );
                Err(Error::revision(left).with_source(error))
            }
        }
    }

    /// Drops an index unless it is gone or is another one; whether it was gone.
    async fn remove(&mut self, step: &Step, wanted: &Index, direction: Direction) -> Result<bool> {
        match catalog::index(&mut self.connection, wanted.name).await? {
            None => Ok(true),
            Some(there) if !difference::is_same(wanted, &there) => {
                Err(drifted(&step.what_in(direction), &there.definition))
            }
            Some(_) => self.drop_concurrently(wanted.name, self.until).await.map(|()| false),
        }
    }

    async fn drop_concurrently(&mut self, name: &str, until: Instant) -> Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        let sql = format!("DROP INDEX CONCURRENTLY IF EXISTS {name}");
        let outcome = timeout(left, self.connection.script(&sql)).await;
        if let Ok(outcome) = outcome {
            return outcome;
        }
        self.clean().await?;
        Err(Error::revision(format!("the deadline came while {name} was being dropped; run again")))
    }

    pub(super) fn warn(&self, what: String) {
        self.options.emit(&Progress::Warning { what, blockers: Vec::new() });
    }
}
