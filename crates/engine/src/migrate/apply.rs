//! Steps in transactions.

use std::time::{Duration, Instant};

use super::catalog;
use super::history::{self, History, State};
use super::needs;
use super::patience;
use super::probe::{Probe, drifted, probe};
use super::progress::{Place, Progress};
use super::run::Run;
use super::step::{Action, Direction, Sql, Step};
use super::unrecorded;
use crate::driver::{Begin, Bounds, End};
use crate::error::{Error, Result};
use crate::query::{Batch, Execute};
use crate::settings::Engine;
use crate::waiting::{Blocker, activity, names};

/// How long a step may stand in the queue for a lock, in milliseconds: whoever comes behind it waits as long.
const LOCK_TIMEOUT: u128 = 250;
/// How much longer than a lock a statement may take near the deadline, in milliseconds.
const LOCK_MARGIN: u128 = 50;
/// How long to let others go first, after the first and after many attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How far a walk came, and whether the revision was recorded by it, if it came to its end.
pub(super) type Walked = (usize, Option<bool>);

/// Why a transaction came to nothing: at which step.
struct Stopped {
    number: usize,
    error: Error,
}

impl Run<'_> {
    /// Does the next step, and those that go with it.
    pub(super) async fn advance(
        &mut self,
        index: usize,
        walked: usize,
        direction: Direction,
    ) -> Result<Walked> {
        let revisions = self.revisions;
        let number = self.number(index, walked, direction);
        let step = &revisions[index].steps()[number];
        if !self.goes_with_its_table(index, number, direction) {
            if step.is_outside(self.engine) {
                let outcome = self.outside(index, number, direction).await;
                return outcome
                    .map(|()| (walked + 1, None))
                    .map_err(|error| self.stays(index, number, error));
            }
            if self.engine == Engine::Sqlite && self.needs_rebuild(step, direction).await? {
                let outcome = self.rebuild_for(index, number, direction).await;
                return outcome
                    .map(|()| (walked + 1, None))
                    .map_err(|error| self.stays(index, number, error));
            }
        }
        self.transaction(index, walked, direction).await
    }

    /// Records that all steps were walked through; whether that was this runner.
    pub(super) async fn finish(&mut self, index: usize, direction: Direction) -> Result<bool> {
        let bounds = Bounds { begin: Some(Begin::Write), end: Some(End::Commit), ..Bounds::default() };
        let batch = self.last_records(index, direction);
        let touched = self.connection.fly(batch, bounds).await?.finish()?;
        Ok(touched.iter().any(|&rows| rows > 0))
    }

    /// The record of a whole revision; it touches rows if it was this runner's doing.
    fn last_records(&self, index: usize, direction: Direction) -> Vec<Execute> {
        let revision = &self.revisions[index];
        match direction {
            Direction::Up => vec![history::record(self.name, revision)],
            Direction::Down => history::erase(self.name, revision),
        }
    }

    /// Tries a transaction until it gets its locks, letting others go first.
    async fn transaction(&mut self, index: usize, walked: usize, direction: Direction) -> Result<Walked> {
        let mut pause = FIRST_PAUSE;
        loop {
            let Stopped { number, error } = match Box::pin(self.attempt(index, walked, direction)).await {
                Ok(walked) => return Ok(walked),
                Err(stopped) => stopped,
            };
            self.clean().await?;
            if error.is_statement_timeout() && Instant::now() >= self.until {
                let error = Error::deadline(self.deadline.limit(), error.to_string()).with_source(error);
                return Err(self.stopped(index, walked, number, direction, error));
            }
            let is_lock = error.code().is_some() && error.is_retryable();
            if !is_lock {
                return Err(self.stopped(index, walked, number, direction, error));
            }
            let blockers = self.tell_waiting(index, number, direction).await;
            let left = self.until.saturating_duration_since(Instant::now());
            tokio::time::sleep(activity::jittered(pause).min(left)).await;
            if Instant::now() >= self.until {
                let why = format!("{error}; the lock is held by {}", names(&blockers));
                let error = Error::deadline(self.deadline.limit(), why).with_source(error);
                return Err(self.stopped(index, walked, number, direction, error));
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn tell_waiting(&mut self, index: usize, number: usize, direction: Direction) -> Vec<Blocker> {
        let step = &self.revisions[index].steps()[number];
        let blockers = match (self.engine, step.table_name()) {
            (Engine::Postgres, Some(table)) => {
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
    ) -> Result<Walked, Stopped> {
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
            self.check_neighbours(&history, index, direction).await?;
            if direction == Direction::Down {
                self.write_within(self.marks(&history, index)).await?;
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
                let state = if direction == Direction::Up { State::Done } else { State::Gone };
                self.write_within(vec![history::record_step(self.name, revision, number, state)]).await?;
                done.push(Progress::Done { place, seconds: start.elapsed().as_secs_f64(), already });
                at += 1;
                if at == revision.steps().len() || self.is_alone(index, number, direction, &made) {
                    break;
                }
                let next = self.number(index, at, direction);
                if self.is_alone(index, next, direction, &made) {
                    break;
                }
                number = next;
            }
            let mut recorded = None;
            if at == revision.steps().len() {
                let touched = self.fly(self.last_records(index, direction)).await?;
                recorded = Some(touched.iter().any(|&rows| rows > 0));
            }
            self.end(End::Commit).await?;
            Ok(recorded)
        }
        .await;
        match outcome {
            Ok(recorded) => {
                done.iter().for_each(|progress| options.emit(progress));
                Ok((at, recorded))
            }
            Err(error) => Err(Stopped { number, error }),
        }
    }

    pub(super) async fn begin_plainly(&mut self) -> Result<()> {
        let bounds = Bounds { begin: Some(Begin::Write), ..Bounds::default() };
        self.connection.fly(Vec::<Execute>::new(), bounds).await.map(drop)
    }

    /// Begins a transaction, and looks at what is recorded now.
    pub(super) async fn begin(&mut self) -> Result<History> {
        self.begin_plainly().await?;
        if self.engine == Engine::Postgres {
            let left = self.until.saturating_duration_since(Instant::now()).as_millis().max(1);
            // The shorter one, so that the error of who waits for a lock says so.
            let lock = left.min(LOCK_TIMEOUT);
            let statement = left + LOCK_MARGIN;
            let limits =
                format!("SET LOCAL lock_timeout = {lock}; SET LOCAL statement_timeout = {statement}");
            self.connection.script(&limits).await?;
        }
        self.history().await
    }

    pub(super) async fn end(&mut self, end: End) -> Result<()> {
        let bounds = Bounds { end: Some(end), ..Bounds::default() };
        self.connection.fly(Vec::<Execute>::new(), bounds).await.map(drop)
    }

    async fn fly(&mut self, batch: Vec<Execute>) -> Result<Vec<u64>> {
        self.connection.fly(batch, Bounds { continues: true, ..Bounds::default() }).await?.finish()
    }

    pub(super) async fn write_within(&mut self, batch: Vec<Execute>) -> Result<()> {
        self.fly(batch).await.map(drop)
    }

    /// A connection that can be used again, without a transaction.
    pub(super) async fn clean(&mut self) -> Result<()> {
        if self.connection.clean().await.is_err() || self.connection.is_closed() {
            self.connection = patience::connect(self.db).await?;
        }
        Ok(())
    }

    /// Does one step within a transaction; whether it was done already.
    async fn perform(
        &mut self,
        history: &History,
        index: usize,
        number: usize,
        direction: Direction,
        place: &Place,
    ) -> Result<bool> {
        let step = &self.revisions[index].steps()[number];
        if self.goes_with_its_table(index, number, direction) {
            return Ok(true);
        }
        let found = match &step.action {
            Action::Sql(_) if is_recorded(history, index, number, direction) => return Ok(true),
            Action::Sql(_) => Probe::Unknown,
            Action::Table(table) if direction == Direction::Up && !step.is_inverse => {
                let is_there = catalog::table(&mut self.connection, table.name).await?.is_some();
                if is_there && history.state(index, number).is_none() && !self.takes_over {
                    let revision = &self.revisions[index];
                    let refusal =
                        unrecorded::refusal(&mut self.connection, self.name, revision, &[table.name]).await?;
                    return Err(refusal);
                }
                self.look(step, direction).await?
            }
            _ => self.look(step, direction).await?,
        };
        if is_reached(step, direction, &found) {
            return Ok(true);
        }
        for sql in step.statements(direction, self.engine, &found) {
            self.connection.script(&sql).await?;
        }
        self.verify(step, direction).await?;
        self.options.emit(&Progress::Applied(place.clone()));
        Ok(false)
    }

    /// Refuses what revisions of other histories stand in the way of.
    pub(super) async fn check_neighbours(
        &mut self,
        history: &History,
        index: usize,
        direction: Direction,
    ) -> Result<()> {
        let revision = &self.revisions[index];
        match direction {
            Direction::Up => needs::check_met(self.name, revision, history),
            Direction::Down => needs::check_free(&mut self.connection, self.name, revision, history).await,
        }
    }

    /// Looks at what is there, and refuses what nothing may overwrite.
    pub(super) async fn look(&mut self, step: &Step, direction: Direction) -> Result<Probe> {
        match probe(&mut self.connection, step).await? {
            Probe::Drift(differs) => Err(drifted(&step.what_in(direction), &differs)),
            found => Ok(found),
        }
    }

    /// Makes sure that a step has led where it says.
    pub(super) async fn verify(&mut self, step: &Step, direction: Direction) -> Result<()> {
        let found = self.look(step, direction).await?;
        if found == Probe::Unknown || is_reached(step, direction, &found) {
            return Ok(());
        }
        Err(Error::revision(format!(
            "\"{}\" was done and is not to be seen ({found:?}); is another schema in front of search_path?",
            step.what_in(direction)
        )))
    }

    /// The records that a revision is being taken back.
    pub(super) fn marks(&self, history: &History, index: usize) -> Vec<Execute> {
        let revision = &self.revisions[index];
        let is_applied = history.entries[index].applied_at.is_some();
        let is_marked = |number: &usize| match history.state(index, *number) {
            Some(State::Gone | State::Leaving) => false,
            Some(State::Done | State::Running) => true,
            None => is_applied,
        };
        let numbers = (0..revision.steps().len()).filter(is_marked);
        numbers.map(|number| history::record_step(self.name, revision, number, State::Leaving)).collect()
    }

    /// Whether a step needs nothing on the way down because its whole table goes.
    pub(super) fn goes_with_its_table(&self, index: usize, number: usize, direction: Direction) -> bool {
        let steps = self.revisions[index].steps();
        let Some(name) = steps[number].table_name() else { return false };
        let makes = |step: &Step| match &step.action {
            Action::Table(table) => table.name == name && !step.is_inverse,
            _ => false,
        };
        direction == Direction::Down && steps[..number].iter().any(makes)
    }

    /// Whether a step shares its transaction with no other: it locks a table that others use, or scans it.
    fn is_alone(&self, index: usize, number: usize, direction: Direction, made: &[&str]) -> bool {
        if self.goes_with_its_table(index, number, direction) {
            return false;
        }
        let step = &self.revisions[index].steps()[number];
        match &step.action {
            Action::Table(_) => false,
            Action::Sql(Sql { in_transaction, .. }) => !in_transaction,
            Action::Key { .. } if self.engine == Engine::Sqlite => true,
            _ => step.table_name().is_none_or(|table| !made.contains(&table)),
        }
    }

    fn stopped(
        &self,
        index: usize,
        walked: usize,
        number: usize,
        direction: Direction,
        error: Error,
    ) -> Error {
        if walked > 0 {
            return self.stays(index, number, error);
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

    fn stays(&self, index: usize, number: usize, error: Error) -> Error {
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

/// Whether what is there is what the direction leads to.
pub(super) fn is_reached(step: &Step, direction: Direction, found: &Probe) -> bool {
    match (&step.action, step.takes_away(direction)) {
        (Action::Validate { .. }, true) => true,
        (_, true) => *found == Probe::Missing,
        (_, false) => *found == Probe::Done,
    }
}

/// Whether another runner has come to the end of a revision.
pub(super) fn is_over(history: &History, index: usize, direction: Direction) -> bool {
    let entry = &history.entries[index];
    match direction {
        Direction::Up => entry.applied_at.is_some() && entry.unfinished.is_none(),
        Direction::Down => entry.applied_at.is_none() && entry.unfinished.is_none(),
    }
}

/// Whether the record says that SQL has run, or was taken back.
pub(super) fn is_recorded(history: &History, index: usize, number: usize, direction: Direction) -> bool {
    let state = history.state(index, number);
    match direction {
        Direction::Up => matches!(state, Some(State::Done | State::Leaving)),
        Direction::Down => match state {
            Some(State::Gone) => true,
            Some(_) => false,
            None => history.entries[index].applied_at.is_none(),
        },
    }
}
