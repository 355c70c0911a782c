//! Executes steps outside a transaction.

use std::time::{Duration, Instant};

use tallybook_core::waiting::activity::{self, blockers};
use tallybook_core::waiting::names;
use tallybook_core::waiting::retry_pause;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Result};
use tokio::time::{sleep, timeout};

use crate::catalog;
use crate::compare::difference;
use crate::compare::index_match;
use crate::history::{self, State};
use crate::run::Run;
use crate::run::disk_space;
use crate::run::index_build::{self, IndexBuild};
use crate::run::probe::drifted;
use crate::run::progress::{Progress, StepPosition};
use crate::run::transactional::is_recorded;
use crate::steps::step::{Action, Direction, Step};
use crate::steps::table::Index;
use crate::steps::tokens;

/// Poll interval of an index build.
pub(super) const POLL: Duration = Duration::from_millis(250);
/// Time that cleaning up may take after the deadline.
const GRACE: Duration = Duration::from_secs(10);

impl Run<'_> {
    /// Executes a step outside a transaction, and records it.
    pub(crate) async fn non_transactional(
        &mut self,
        index: usize,
        number: usize,
        direction: Direction,
    ) -> Result<()> {
        let start = Instant::now();
        let revision = &self.revisions[index];
        let step = &revision.steps()[number];
        let place = self.place(index, number, direction);
        let history = self.history().await?;
        self.check_other_histories(&history, index, direction).await?;
        if direction == Direction::Down {
            let marks = self.mark_reverting(&history, index);
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
            Action::Unique(_) => Box::pin(self.replace_index(index, number, direction)).await?,
            _ => true,
        };
        if !already && self.duplicates.is_none() {
            self.options.emit(&Progress::Applied(place.clone()));
        }
        let state = if direction == Direction::Up { State::Done } else { State::Reverted };
        history::write(&mut self.connection, vec![history::record_step(self.name, revision, number, state)])
            .await?;
        if let Some(rows) = self.duplicates.take() {
            self.report_not_unique(&Progress::NotUnique { place: place.clone(), rows });
        }
        self.options.emit(&Progress::Done { place, seconds: start.elapsed().as_secs_f64(), already });
        Ok(())
    }

    /// Runs SQL that cannot run in a transaction: one statement a message, none after the deadline.
    async fn run_sql(&mut self, index: usize, number: usize, direction: Direction) -> Result<()> {
        let revision = &self.revisions[index];
        let step = &revision.steps()[number];
        if direction == Direction::Up {
            let running = history::record_step(self.name, revision, number, State::Running);
            history::write(&mut self.connection, vec![running]).await?;
        }
        for sql in step.statements(direction, self.dialect, &crate::run::probe::Probe::Unknown) {
            // SQLite itself knows best where a statement ends.
            let parts = if self.dialect == Dialect::Sqlite { vec![&*sql] } else { tokens::statements(&sql) };
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

    /// Makes sure that the index exists, has the declared definition and is valid. Returns whether it did already.
    pub(crate) async fn build(&mut self, wanted: &Index, place: &StepPosition) -> Result<bool> {
        self.check_table(wanted).await?;
        loop {
            match index_match::find(&mut self.connection, wanted).await? {
                Some(there) if !difference::is_same(wanted, &there) => {
                    let differs =
                        difference::index(wanted, Some(&there), self.dialect).map(|one| one.to_string());
                    return Err(drifted(&place.what, &differs.unwrap_or_default()));
                }
                Some(there) if there.is_valid => return Ok(true),
                Some(_) => {
                    if let Some(pid) = index_build::find_builder(&mut self.connection, wanted.name).await? {
                        self.wait_for_other_build(pid, wanted.name).await?;
                    } else {
                        self.warn(format!(
                            "{} is INVALID, left by a build that failed: it is dropped and built again",
                            wanted.name
                        ));
                        self.drop_concurrently(wanted.name, self.until).await?;
                    }
                }
                None => {
                    self.check_before_build(wanted).await?;
                    self.build_new(wanted, wanted.name, place).await?;
                    return match index_match::find(&mut self.connection, wanted).await? {
                        Some(there) if there.is_valid && difference::is_same(wanted, &there) => Ok(false),
                        _ => Err(Error::revision(format!("{} was built, but is not visible", wanted.name))),
                    };
                }
            }
        }
    }

    pub(crate) async fn check_table(&mut self, wanted: &Index) -> Result<()> {
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

    /// Waits for the backend of an earlier, killed runner that is still building the index.
    pub(crate) async fn wait_for_other_build(&mut self, pid: i64, name: &str) -> Result<()> {
        if Instant::now() >= self.until {
            return Err(Error::revision(format!(
                "the deadline came while process {pid} still built {name}; let it end, or end it by `SELECT \
                 pg_terminate_backend({pid})`, and run again"
            )));
        }
        let blockers = blockers(&mut self.connection, &[pid]).await?;
        let what = format!("process {pid}, which already builds {name}");
        self.options.emit(&Progress::Waiting { what, blockers });
        sleep(retry_pause(POLL)).await;
        Ok(())
    }

    /// Checks, before the first build, for long transactions it would wait for and for disk space.
    pub(crate) async fn check_before_build(&mut self, wanted: &Index) -> Result<()> {
        if !self.checked_for_blockers {
            self.checked_for_blockers = true;
            let old = activity::old_transactions(&mut self.connection).await?;
            if !old.is_empty() {
                let what = "an index build has to wait for these old transactions".to_owned();
                self.options.emit(&Progress::Warning { what, blockers: old });
            }
        }
        disk_space::check_index(&mut self.connection, wanted).await
    }

    /// Builds an index under a name; drops it again if that fails.
    pub(crate) async fn build_new(&mut self, wanted: &Index, name: &str, place: &StepPosition) -> Result<()> {
        let sql = wanted.sql_concurrently(name);
        let mut watch = self.db.connect().await?;
        let mut state = IndexBuild::new(name);
        let outcome = {
            let build = self.connection.script(&sql);
            tokio::pin!(build);
            loop {
                tokio::select! {
                    outcome = &mut build => break Some(outcome),
                    () = sleep(POLL) => {}
                }
                // Failing to watch the build is no reason to end it.
                if let Ok(Some(progress)) = state.poll(&mut watch, place).await {
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
            None => Error::revision(format!("the deadline came; it waited for: {}", state.blocker_text())),
        };
        // Every write maintains an unfinished index, so it is dropped even after the deadline.
        self.deadline.extend(GRACE + GRACE / 10);
        // Cancels the running statement.
        self.clean().await?;
        match self.drop_concurrently(name, Instant::now() + GRACE).await {
            Ok(()) => Err(error),
            Err(_) => {
                let holders = activity::lock_holders(&mut self.connection, wanted.table).await?;
                let left = format!(
                    "{error}. The unfinished index {name} is left INVALID, because other sessions still use {}: {}. The next \
                     run drops it and builds it again",
                    wanted.table,
                    names(&holders)
                );
                Err(Error::revision(left).with_source(error))
            }
        }
    }

    /// Drops an index, unless it does not exist or has another definition. Returns whether it was already gone.
    async fn remove(&mut self, step: &Step, wanted: &Index, direction: Direction) -> Result<bool> {
        match index_match::find(&mut self.connection, wanted).await? {
            None => Ok(true),
            Some(there) if !difference::is_same(wanted, &there) => {
                Err(drifted(&step.what_in(direction), &there.definition))
            }
            Some(_) => self.drop_concurrently(wanted.name, self.until).await.map(|()| false),
        }
    }

    pub(crate) async fn drop_concurrently(&mut self, name: &str, until: Instant) -> Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        let sql = format!("DROP INDEX CONCURRENTLY IF EXISTS {name}");
        let outcome = timeout(left, self.connection.script(&sql)).await;
        if let Ok(outcome) = outcome {
            return outcome;
        }
        self.clean().await?;
        Err(Error::revision(format!("the deadline came while {name} was being dropped; run again")))
    }

    pub(crate) fn warn(&self, what: String) {
        self.options.emit(&Progress::Warning { what, blockers: Vec::new() });
    }
}
