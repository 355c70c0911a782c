//! Write transactions.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::thread;

use super::access::sealed::Sealed;
use super::explain::{How, Plan, explain};
use super::flight::{Lane, refuse_control};
use super::{BulkLoad, CommitToken, Counts, Session};
use crate::call::Call;
use crate::driver::{Begin, Bounds, Flown, IsolationLevel, Load};
use crate::error::{Error, Kind, Result};
use crate::observe::Journal;
use crate::pool::AcquireBudget;
use crate::query::{Batch, ReadBatch, check, queries, reset};
use crate::routing::{Lease, Router};
use crate::settings::Engine;

/// One transaction on the primary.
///
/// Dropped without a commit it is rolled back, whatever the reason: an error, a panic, a cancelled task.
/// After a statement failed the transaction can't be committed any more, on either engine: what failed
/// half-way is never kept.
pub struct WriteSession {
    lane: Lane,
    state: State,
    isolation: IsolationLevel,
    router: Arc<Router>,
    holder: &'static Location<'static>,
    /// It ran something that is no read.
    has_written: bool,
    /// A closure returns whether it is to be committed, so that nobody can forget it.
    is_in_closure: bool,
    /// Its end was asked for.
    is_settled: bool,
    /// How often it began on another connection.
    moves: u32,
}

/// A transaction begins on so many further connections at most.
const MOVES: u32 = 2;

enum State {
    /// BEGIN rides with the first statement.
    NotBegun,
    Open,
    /// Something was sent and its end not seen yet; for good, if its future was dropped.
    UnderWay,
    /// Why it can't be committed.
    Failed(String),
    /// Something else than the session ended it.
    Ended,
}

impl WriteSession {
    pub(crate) fn new(
        connection: Lease,
        router: Arc<Router>,
        holder: &'static Location<'static>,
        journal: Option<Box<dyn Journal>>,
    ) -> Self {
        Self {
            lane: Lane::new(connection, journal, false),
            state: State::NotBegun,
            isolation: IsolationLevel::default(),
            has_written: false,
            is_in_closure: false,
            is_settled: false,
            router,
            holder,
            moves: 0,
        }
    }

    /// The same at a level of isolation.
    pub(crate) fn with_isolation(mut self, isolation: IsolationLevel) -> Self {
        self.isolation = isolation;
        self
    }

    /// The session of a closure.
    pub(crate) fn in_closure(mut self) -> Self {
        self.is_in_closure = true;
        self
    }

    /// Runs a batch: one round trip, in the order given.
    ///
    /// # Errors
    /// What the database reports; the transaction can then only be rolled back. What was refused before anything was
    /// sent leaves it as it was: a value that does not fit, or a statement that begins or ends a transaction
    /// ([`Error::is_transaction_control`]).
    pub async fn run<B: Batch>(&mut self, mut batch: B) -> Result<B::Output> {
        check(&mut batch)?;
        let mut sent = queries(&mut batch);
        let engine = self.lane.connection.engine();
        let mut only_reads = true;
        for query in &mut sent {
            let statement = &query.request().statement;
            refuse_control(statement, engine)?;
            only_reads &= statement.is_read(engine);
        }
        let is_empty = sent.is_empty();
        drop(sent);
        if is_empty {
            return batch.finish();
        }
        self.has_written |= !only_reads;
        let mut is_second = false;
        let mut budget = self.router.acquire_budget();
        loop {
            let begin = self.enter()?;
            let bounds = Bounds { begin, continues: begin.is_none(), ..Bounds::default() };
            let flown = self.lane.fly(batch, bounds).await;
            batch = if bounds.begin.is_none() {
                return self.leave(flown.finish());
            } else if flown.may_run_again() && !is_second {
                is_second = true;
                self.begin_again(flown).await?
            } else if self.is_for_another(&flown) {
                Box::pin(self.begin_elsewhere(flown, &mut budget)).await?
            } else {
                return self.leave(flown.finish());
            };
            reset(&mut batch);
        }
    }

    /// Whether a transaction that did not come beyond its first batch may begin anew on another connection: its server
    /// is no primary, or it is gone. Nothing of it was committed, and the caller saw nothing of it.
    fn is_for_another<B>(&self, flown: &Flown<B>) -> bool {
        let failed = flown.outcome.as_ref().err();
        let is_of_server = failed.is_some_and(|error| error.is_read_only() || error.is_connection_lost());
        is_of_server && flown.batch.is_some() && self.router.has_others() && self.moves < MOVES
    }

    /// Begins anew on the same connection, which has forgotten what it had prepared.
    async fn begin_again<B: Batch>(&mut self, flown: Flown<B>) -> Result<B> {
        let cleaned = self.lane.connection.clean().await;
        // A cancel request that comes late would hit what runs next.
        let is_fit = !self.lane.connection.was_cancelled();
        self.leave(cleaned.and(if is_fit { Ok(()) } else { flown.outcome }))?;
        self.state = State::NotBegun;
        flown.batch.ok_or_else(|| Error::new(Kind::Lost))
    }

    /// Connects to the primary of now, once the server that failed was asked how it is.
    async fn begin_elsewhere<B: Batch>(&mut self, flown: Flown<B>, budget: &mut AcquireBudget) -> Result<B> {
        let Flown { batch: Some(batch), outcome: Err(error), .. } = flown else {
            return Err(Error::new(Kind::Lost));
        };
        self.state = State::Failed(error.to_string());
        self.moves += 1;
        let node = self.lane.connection.node();
        self.router.fails(node, &error);
        let deadline = budget.deadline();
        self.router.settled(node, deadline).await;
        self.lane.connection.give_up();
        self.lane.connection = self.router.write(self.holder, deadline).await?;
        budget.spend(deadline);
        self.state = State::NotBegun;
        Ok(batch)
    }

    /// Loads many rows at once: COPY on PostgreSQL, prepared inserts in large groups on SQLite.
    ///
    /// # Errors
    /// When the table or a column does not exist.
    #[track_caller]
    pub fn load<'s>(
        &'s mut self,
        table: &str,
        columns: &[&str],
    ) -> impl Future<Output = Result<BulkLoad<'s>>> + Send {
        self.load_called(table, columns, Call::here())
    }

    /// As [`WriteSession::load`], for another line of code.
    ///
    /// # Errors
    /// As [`WriteSession::load`].
    pub async fn load_called(&mut self, table: &str, columns: &[&str], call: Call) -> Result<BulkLoad<'_>> {
        if let Some(begin) = self.enter()? {
            self.begin(begin).await?;
            self.enter()?;
        }
        let load = self.lane.connection.load(table, columns).await;
        let load = self.leave(load)?;
        self.has_written = true;
        // Until it is finished, a load that was begun can't be committed.
        self.state = State::Failed(format!("the bulk load of {table} was not finished"));
        let sql = format!("COPY {table} ({}) FROM STDIN", columns.join(", "));
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Ok(BulkLoad::new(self, load, columns, sql, call))
    }

    /// What this session did so far.
    pub fn counts(&self) -> Counts {
        self.lane.counts
    }

    /// Names the server in an error that tells of a lost connection.
    pub(super) fn located(&self, error: Error) -> Error {
        self.lane.connection.located(error)
    }

    pub(super) async fn finish_load(&mut self, load: Load, sql: &str, call: Call) -> Result<u64> {
        let finish = async |connection: &mut Lease| load.finish(connection).await;
        let result = self.lane.load(sql, call, finish).await;
        Ok(self.leave(result)?.rows)
    }

    /// Makes the transaction last.
    ///
    /// # Errors
    /// [`Error::is_commit_unknown`] when the connection broke under the COMMIT; a failed statement before
    /// it; a constraint that is checked at the end; [`Error::is_transaction_ended`] when the transaction was over
    /// already.
    #[track_caller]
    pub fn commit(self) -> impl Future<Output = Result<CommitToken>> + Send {
        self.commit_called(Call::here())
    }

    pub(crate) async fn commit_called(mut self, call: Call) -> Result<CommitToken> {
        self.is_settled = true;
        self.check_state()?;
        if matches!(self.state, State::NotBegun) {
            return Ok(CommitToken::nothing_written());
        }
        let node = self.lane.connection.node();
        if !self.router.is_primary(node) {
            let node = self.router.name(node).to_owned();
            // Dropping the session rolls it back.
            return Err(Error::new(Kind::Superseded { node }));
        }
        let committed = self.lane.commit(call).await;
        match &committed {
            Ok(position) => self.router.committed(node, *position),
            Err(error) if error.is_commit_unknown() => self.router.fails(node, error),
            Err(_) => {}
        }
        committed.map(CommitToken::at)
    }

    /// Undoes the transaction now. Dropping the session does the same in the background.
    ///
    /// # Errors
    /// When the connection broke, in which case the server undoes it; [`Error::is_transaction_ended`] when the
    /// transaction was over already, so that it may be kept in part.
    pub async fn roll_back(mut self) -> Result<()> {
        self.is_settled = true;
        let connection = &mut self.lane.connection;
        match &self.state {
            _ if connection.is_given_up() => Ok(()),
            State::Open => connection.roll_back().await,
            State::Ended => connection.clean().await.and(Err(Error::new(Kind::TransactionEnded))),
            State::NotBegun | State::UnderWay | State::Failed(_) => connection.clean().await,
        }
    }

    async fn begin(&mut self, begin: Begin) -> Result<()> {
        let bounds = Bounds { begin: Some(begin), ..Bounds::default() };
        self.lane.counts.round_trips += 1;
        let begun = self.lane.connection.fly(Vec::<crate::query::Execute>::new(), bounds).await;
        self.leave(begun.map(drop))
    }

    /// Refuses to go on after a statement that failed, or whose fate is unknown.
    fn check_state(&self) -> Result<()> {
        let earlier = match &self.state {
            State::NotBegun | State::Open => return Ok(()),
            State::Ended => return Err(Error::new(Kind::TransactionEnded)),
            State::UnderWay => "it was abandoned before its end".to_owned(),
            State::Failed(earlier) => earlier.clone(),
        };
        Err(Error::new(Kind::TransactionFailed { earlier }))
    }

    /// Returns what has to be sent before the next statement.
    fn enter(&mut self) -> Result<Option<Begin>> {
        self.check_state()?;
        let before = std::mem::replace(&mut self.state, State::UnderWay);
        Ok(matches!(before, State::NotBegun).then_some(Begin::WriteAt(self.isolation)))
    }

    fn leave<T>(&mut self, result: Result<T>) -> Result<T> {
        self.state = match &result {
            Ok(_) => State::Open,
            Err(error) if error.is_transaction_ended() => State::Ended,
            Err(error) => State::Failed(error.to_string()),
        };
        result
    }
}

impl Drop for WriteSession {
    /// Says that a commit was forgotten. What failed, was abandoned or panics is rolled back by intent.
    fn drop(&mut self) {
        let may_be_forgotten = self.has_written && !self.is_settled && !self.is_in_closure;
        if may_be_forgotten && matches!(self.state, State::Open) && !thread::panicking() {
            tracing::warn!(
                target: "tallybook::session",
                at = %self.holder,
                "a write session was dropped without a commit, so what it wrote is rolled back; call commit, or \
                 roll_back where that is meant",
            );
        }
    }
}

impl fmt::Debug for WriteSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteSession").field("counts", &self.lane.counts).finish_non_exhaustive()
    }
}

impl Sealed for WriteSession {}

impl Session for WriteSession {
    async fn fetch<B: ReadBatch>(&mut self, batch: B) -> Result<B::Output> {
        self.run(batch).await
    }

    async fn explain<B: ReadBatch>(&mut self, mut query: B) -> Result<Plan> {
        let mut plan = Plan::default();
        explain(self, &mut query, How::Plan, &mut plan).await?;
        Ok(plan)
    }

    fn counts(&self) -> Counts {
        self.lane.counts
    }

    fn engine(&self) -> Engine {
        self.lane.connection.engine()
    }
}
