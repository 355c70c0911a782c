//! Executes steps in transactions.

use std::time::{Duration, Instant};

use tallybook_core::waiting::{Blocker, activity, names, retry_pause};
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::query::{Batch, Execute};
use tallybook_sql::transaction::{Begin, End, TransactionFraming};

use crate::catalog;
use crate::compare::unrecorded_tables;
use crate::history::dependencies;
use crate::history::{self, History, State};
use crate::run::Run;
use crate::run::busy_retry;
use crate::run::duplicate_rows;
use crate::run::probe::{Probe, drifted, is_reached, probe};
use crate::run::progress::{Progress, StepPosition};
use crate::steps::step::{Action, Direction, Sql, Step};

/// Lock timeout of a step, in milliseconds. Every later query on the table queues for as long.
const LOCK_TIMEOUT: u128 = 250;
/// Statement timeout beyond the remaining time, in milliseconds, so that the lock timeout fires first.
const LOCK_MARGIN: u128 = 50;
/// First and longest pause between two attempts, during which other sessions take their turn.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(200);
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(5);

/// The number of steps done, and, once all are, whether this runner recorded the revision.
pub(crate) type Advance = (usize, Option<bool>);

/// The step at which a transaction failed, and why.
struct StepFailure {
    number: usize,
    error: Error,
}

impl Run<'_> {
    /// Executes the next step, together with those that share its transaction.
    pub(crate) async fn advance(
        &mut self,
        index: usize,
        walked: usize,
        direction: Direction,
    ) -> Result<Advance> {
        let revisions = self.revisions;
        let number = self.number(index, walked, direction);
        let step = &revisions[index].steps()[number];
        if !self.is_dropped_with_table(index, number, direction) {
            if step.is_non_transactional(self.dialect) {
                let outcome = self.non_transactional(index, number, direction).await;
                return outcome
                    .map(|()| (walked + 1, None))
                    .map_err(|error| self.partial_error(index, number, error));
            }
            if self.dialect == Dialect::Sqlite && self.needs_rebuild(step, direction).await? {
                let outcome = self.rebuild_for(index, number, direction).await;
                return outcome
                    .map(|()| (walked + 1, None))
                    .map_err(|error| self.partial_error(index, number, error));
            }
        }
        self.transaction(index, walked, direction).await
    }

    /// Records that all steps are done. Returns whether this runner was the one to record it.
    pub(crate) async fn finish(&mut self, index: usize, direction: Direction) -> Result<bool> {
        let framing = TransactionFraming {
            begin: Some(Begin::Write),
            end: Some(End::Commit),
            ..TransactionFraming::default()
        };
        let batch = self.last_records(index, direction);
        let touched = self.connection.execute(batch, framing).await?.finish()?;
        Ok(touched.iter().any(|&rows| rows > 0))
    }

    /// Returns the statements that record the whole revision. They affect rows only if no other runner was first.
    fn last_records(&self, index: usize, direction: Direction) -> Vec<Execute> {
        let revision = &self.revisions[index];
        match direction {
            Direction::Up => vec![history::record(self.name, revision)],
            Direction::Down => history::erase(self.name, revision),
        }
    }

    /// Retries a transaction until it gets its locks, pausing in between so that other sessions can proceed.
    async fn transaction(&mut self, index: usize, walked: usize, direction: Direction) -> Result<Advance> {
        let mut pause = FIRST_PAUSE;
        loop {
            let StepFailure { number, error } = match Box::pin(self.attempt(index, walked, direction)).await {
                Ok(walked) => return Ok(walked),
                Err(failure) => failure,
            };
            self.clean().await?;
            if error.is_statement_timeout() && Instant::now() >= self.until {
                let error = Error::deadline(self.deadline.limit(), error.to_string()).with_source(error);
                return Err(self.rolled_back_error(index, walked, number, direction, error));
            }
            let is_lock = error.code().is_some() && error.is_retryable();
            if !is_lock {
                return Err(self.rolled_back_error(index, walked, number, direction, error));
            }
            let blockers = self.emit_waiting(index, number, direction).await;
            let left = self.until.saturating_duration_since(Instant::now());
            tokio::time::sleep(retry_pause(pause).min(left)).await;
            if Instant::now() >= self.until {
                let why = format!("{error}; the lock is held by {}", names(&blockers));
                let error = Error::deadline(self.deadline.limit(), why).with_source(error);
                return Err(self.rolled_back_error(index, walked, number, direction, error));
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    pub(super) async fn emit_waiting(
        &mut self,
        index: usize,
        number: usize,
        direction: Direction,
    ) -> Vec<Blocker> {
        let step = &self.revisions[index].steps()[number];
        let blockers = match (self.dialect, step.table_name()) {
            (Dialect::Postgres, Some(table)) => {
                activity::lock_holders(&mut self.connection, table).await.unwrap_or_default()
            }
            _ => self.db.blockers().await,
        };
        let what = format!("a lock, to {}", step.what_in(direction));
        self.options.emit(&Progress::Waiting { what, blockers: blockers.clone() });
        blockers
    }

    async fn attempt(
        &mut self,
        index: usize,
        walked: usize,
        direction: Direction,
    ) -> Result<Advance, StepFailure> {
        let (revisions, options) = (self.revisions, self.options);
        let revision = &revisions[index];
        let mut number = self.number(index, walked, direction);
        let mut done = Vec::new();
        let mut made = Vec::new();
        let mut at = walked;
        let outcome: Result<Option<bool>> = async {
            let history = self.begin().await?;
            if is_over(&history, index, direction) {
                self.end(End::Rollback).await?;
                at = revision.steps().len();
                return Ok(Some(false));
            }
            self.check_other_histories(&history, index, direction).await?;
            if direction == Direction::Down {
                self.write_in_transaction(self.mark_reverting(&history, index)).await?;
            }
            loop {
                let start = Instant::now();
                let step = &revision.steps()[number];
                let place = self.place(index, number, direction);
                options.emit(&Progress::Started(place.clone()));
                let already = self.perform(&history, index, number, direction, &place).await?;
                if let (Action::Table(table), false, false) =
                    (&step.action, step.takes_away(direction), already)
                {
                    made.push(table.name);
                }
                if let Some(rows) = self.duplicates.take() {
                    done.push(Progress::NotUnique { place: place.clone(), rows });
                }
                let state = if direction == Direction::Up { State::Done } else { State::Reverted };
                self.write_in_transaction(vec![history::record_step(self.name, revision, number, state)])
                    .await?;
                done.push(Progress::Done { place, seconds: start.elapsed().as_secs_f64(), already });
                at += 1;
                if at == revision.steps().len() || self.needs_own_transaction(index, number, direction, &made)
                {
                    break;
                }
                let next = self.number(index, at, direction);
                if self.needs_own_transaction(index, next, direction, &made) {
                    break;
                }
                number = next;
            }
            let mut recorded = None;
            if at == revision.steps().len() {
                let touched = self.execute(self.last_records(index, direction)).await?;
                recorded = Some(touched.iter().any(|&rows| rows > 0));
            }
            self.end(End::Commit).await?;
            Ok(recorded)
        }
        .await;
        match outcome {
            Ok(recorded) => {
                for progress in &done {
                    match progress {
                        Progress::NotUnique { .. } => self.report_not_unique(progress),
                        progress => options.emit(progress),
                    }
                }
                Ok((at, recorded))
            }
            Err(error) => Err(StepFailure { number, error }),
        }
    }

    pub(crate) async fn begin_transaction(&mut self) -> Result<()> {
        let framing = TransactionFraming { begin: Some(Begin::Write), ..TransactionFraming::default() };
        self.connection.execute(Vec::<Execute>::new(), framing).await.map(drop)
    }

    /// Begins a transaction and reads the history inside it.
    pub(crate) async fn begin(&mut self) -> Result<History> {
        self.begin_transaction().await?;
        if self.dialect == Dialect::Postgres {
            let left = self.until.saturating_duration_since(Instant::now()).as_millis().max(1);
            // The lock timeout is the shorter one, so that waiting for a lock is reported as such.
            let lock = left.min(LOCK_TIMEOUT);
            let statement = left + LOCK_MARGIN;
            let limits =
                format!("SET LOCAL lock_timeout = {lock}; SET LOCAL statement_timeout = {statement}");
            self.connection.script(&limits).await?;
        }
        self.history().await
    }

    pub(crate) async fn end(&mut self, end: End) -> Result<()> {
        let framing = TransactionFraming { end: Some(end), ..TransactionFraming::default() };
        self.connection.execute(Vec::<Execute>::new(), framing).await.map(drop)
    }

    async fn execute(&mut self, batch: Vec<Execute>) -> Result<Vec<u64>> {
        self.connection
            .execute(batch, TransactionFraming { continues: true, ..TransactionFraming::default() })
            .await?
            .finish()
    }

    pub(crate) async fn write_in_transaction(&mut self, batch: Vec<Execute>) -> Result<()> {
        self.execute(batch).await.map(drop)
    }

    /// Makes the connection usable again, outside any transaction; reconnects if it was lost.
    pub(crate) async fn clean(&mut self) -> Result<()> {
        if self.connection.clean().await.is_err() || self.connection.is_closed() {
            self.connection = busy_retry::connect(self.db).await?;
        }
        Ok(())
    }

    /// Executes one step inside the transaction. Returns whether it was already done.
    async fn perform(
        &mut self,
        history: &History,
        index: usize,
        number: usize,
        direction: Direction,
        place: &StepPosition,
    ) -> Result<bool> {
        let step = &self.revisions[index].steps()[number];
        if self.is_dropped_with_table(index, number, direction) {
            return Ok(true);
        }
        let found = match &step.action {
            Action::Sql(_) if is_recorded(history, index, number, direction) => return Ok(true),
            Action::Sql(_) => Probe::Unknown,
            Action::Table(table) if direction == Direction::Up && !step.is_inverse => {
                let is_there = catalog::table(&mut self.connection, table.name).await?.is_some();
                if is_there && history.state(index, number).is_none() && !self.adopts_existing {
                    let revision = &self.revisions[index];
                    let unrecorded_error = unrecorded_tables::unrecorded_error(
                        &mut self.connection,
                        self.name,
                        revision,
                        &[table.name],
                    )
                    .await?;
                    return Err(unrecorded_error);
                }
                self.probe_step(step, direction).await?
            }
            _ => self.probe_step(step, direction).await?,
        };
        if is_reached(step, direction, &found) {
            return Ok(true);
        }
        if let Action::Unique(index) = &step.action
            && !step.takes_away(direction)
            && let Some(rows) = duplicate_rows::find(&mut self.connection, index).await?
        {
            if found == Probe::Partial {
                self.connection.script(&index.plain().sql(self.dialect)).await?;
            }
            self.duplicates = Some(rows);
            return Ok(false);
        }
        for sql in step.statements(direction, self.dialect, &found) {
            self.connection.script(&sql).await?;
        }
        self.verify(step, direction).await?;
        self.options.emit(&Progress::Applied(place.clone()));
        Ok(false)
    }

    /// Checks the dependencies on revisions of other histories.
    pub(crate) async fn check_other_histories(
        &mut self,
        history: &History,
        index: usize,
        direction: Direction,
    ) -> Result<()> {
        let revision = &self.revisions[index];
        match direction {
            Direction::Up => dependencies::check_met(self.name, revision, history),
            Direction::Down => {
                dependencies::check_free(&mut self.connection, self.name, revision, history).await
            }
        }
    }

    /// Probes a step, and refuses if a different object of that name exists.
    pub(crate) async fn probe_step(&mut self, step: &Step, direction: Direction) -> Result<Probe> {
        match probe(&mut self.connection, step).await? {
            Probe::Drift(differs) => Err(drifted(&step.what_in(direction), &differs)),
            found => Ok(found),
        }
    }

    /// Checks that the step had its effect.
    pub(crate) async fn verify(&mut self, step: &Step, direction: Direction) -> Result<()> {
        let found = self.probe_step(step, direction).await?;
        if found == Probe::Unknown || is_reached(step, direction, &found) {
            return Ok(());
        }
        Err(Error::revision(format!(
            "\"{}\" was executed, but its result is not visible ({found:?}); is another schema first in search_path?",
            step.what_in(direction)
        )))
    }

    /// Returns the statements that mark a revision as being taken back.
    pub(crate) fn mark_reverting(&self, history: &History, index: usize) -> Vec<Execute> {
        let revision = &self.revisions[index];
        let is_applied = history.entries[index].applied_at.is_some();
        let is_marked = |number: &usize| match history.state(index, *number) {
            Some(State::Reverted | State::Reverting) => false,
            Some(State::Done | State::Running) => true,
            None => is_applied,
        };
        let numbers = (0..revision.steps().len()).filter(is_marked);
        numbers.map(|number| history::record_step(self.name, revision, number, State::Reverting)).collect()
    }

    /// Returns whether a downgrade can skip the step because a later one drops its whole table.
    pub(crate) fn is_dropped_with_table(&self, index: usize, number: usize, direction: Direction) -> bool {
        let steps = self.revisions[index].steps();
        let Some(name) = steps[number].table_name() else { return false };
        let makes = |step: &Step| match &step.action {
            Action::Table(table) => table.name == name && !step.is_inverse,
            _ => false,
        };
        direction == Direction::Down && steps[..number].iter().any(makes)
    }

    /// Returns whether the step needs a transaction of its own: it locks or scans a table that others use.
    fn needs_own_transaction(
        &self,
        index: usize,
        number: usize,
        direction: Direction,
        made: &[&str],
    ) -> bool {
        if self.is_dropped_with_table(index, number, direction) {
            return false;
        }
        let step = &self.revisions[index].steps()[number];
        match &step.action {
            Action::Table(_) => false,
            Action::Sql(Sql { in_transaction, .. }) => !in_transaction,
            Action::Key { .. } | Action::Check(_) if self.dialect == Dialect::Sqlite => true,
            _ => step.table_name().is_none_or(|table| !made.contains(&table)),
        }
    }

    fn rolled_back_error(
        &self,
        index: usize,
        walked: usize,
        number: usize,
        direction: Direction,
        error: Error,
    ) -> Error {
        if walked > 0 {
            return self.partial_error(index, number, error);
        }
        let revision = &self.revisions[index];
        let message = format!(
            "revision {} ({}) stopped at the step \"{}\" and was rolled back: {error}",
            revision.id,
            revision.name,
            revision.steps()[number].what_in(direction)
        );
        Error::revision(message).with_source(error)
    }

    fn partial_error(&self, index: usize, number: usize, error: Error) -> Error {
        let revision = &self.revisions[index];
        let message = format!(
            "revision {} ({}) stopped at the step \"{}\"; what was done before it stays, and the next run goes on \
             from there: {error}",
            revision.id,
            revision.name,
            revision.steps()[number].what()
        );
        Error::revision(message).with_source(error)
    }
}

/// Returns whether another runner has completed the revision.
pub(crate) fn is_over(history: &History, index: usize, direction: Direction) -> bool {
    let entry = &history.entries[index];
    match direction {
        Direction::Up => entry.applied_at.is_some() && entry.unfinished.is_none(),
        Direction::Down => entry.applied_at.is_none() && entry.unfinished.is_none(),
    }
}

/// Returns whether the history says that an SQL step has run, or was taken back.
pub(crate) fn is_recorded(history: &History, index: usize, number: usize, direction: Direction) -> bool {
    let state = history.state(index, number);
    match direction {
        Direction::Up => matches!(state, Some(State::Done | State::Reverting)),
        Direction::Down => match state {
            Some(State::Reverted) => true,
            Some(_) => false,
            None => history.entries[index].applied_at.is_none(),
        },
    }
}
