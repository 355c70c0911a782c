//! Sessions that can only read.

use std::fmt;
use std::panic::Location;
use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use super::access::sealed::Sealed;
use super::explain::{How, Plan, explain, explain_one, explained};
use super::flight::{Lane, refuse_control};
use super::{Counts, Session};
use crate::call::Call;
use crate::driver::{Begin, Bounds, End, Flown};
use crate::error::{Error, Kind, Result};
use crate::observe::Journal;
use crate::query::{Batch, ReadBatch, check, queries, reset};
use crate::routing::{Lease, Next, Route};
use crate::settings::Engine;
use crate::statement::Statement;
use crate::value::Value;

/// Reads, and has no way to write: [`ReadSession::run`] does not take [`execute`](crate::execute), the
/// texts are checked, and the server is told to refuse writes too.
///
/// ```compile_fail
/// use tallybook_engine::{Database, Settings, execute, params};
///
/// # async fn example() -> tallybook_engine::Result<()> {
/// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
/// let mut session = db.read().await?;
/// session.run(execute("DELETE FROM notes", params![])).await?; // a read session does not take this
/// # Ok(())
/// # }
/// ```
///
/// Dropping it hands its connection back.
pub struct ReadSession {
    lane: Lane,
    snapshot: Snapshot,
    /// None where there is only one server to read from.
    route: Option<Route>,
    holder: &'static Location<'static>,
}

/// How long one snapshot lasts, and how far it has come.
enum Snapshot {
    /// Each batch has its own.
    Batch,
    /// That of the session begins with the next batch: nobody has seen anything of it.
    Next,
    /// That of the session is what the first batch saw.
    Seen,
    /// Why that of the session is over.
    Ended(String),
}

impl ReadSession {
    pub(crate) fn new(
        connection: Lease,
        route: Option<Route>,
        holder: &'static Location<'static>,
        journal: Option<Box<dyn Journal>>,
    ) -> Self {
        Self { lane: Lane::new(connection, journal, true), snapshot: Snapshot::Batch, route, holder }
    }

    /// All its batches see the snapshot that the first of them takes.
    pub(crate) fn with_one_snapshot(self) -> Self {
        Self { snapshot: Snapshot::Next, ..self }
    }

    /// Runs a batch: one round trip, one snapshot.
    ///
    /// Where there are replicas, a batch that fails because of its server (it is gone, it hangs, replaying the log was
    /// in conflict with the read) runs on another one and at last on the primary. In a session of one snapshot only
    /// the first batch does. So does one that fails on the same server because a table was altered under a prepared
    /// statement.
    ///
    /// Where the future of an earlier batch was dropped, what is left of that is ended first.
    ///
    /// # Errors
    /// What the database reports, a row that does not fit its struct, or a statement that is no read. A session of one
    /// snapshot ends with a batch that fails or is dropped ([`Error::is_transaction_failed`] from then on), unless that
    /// was the first: then the next one takes a new snapshot.
    pub async fn run<B: ReadBatch>(&mut self, mut batch: B) -> Result<B::Output> {
        let statements = self.check(&mut batch)?;
        if statements == 0 {
            return batch.finish();
        }
        self.check_snapshot()?;
        let may_move = !matches!(self.snapshot, Snapshot::Seen);
        let mut is_second = false;
        loop {
            if self.is_unready() {
                Box::pin(self.make_ready()).await?;
            }
            let bounds = self.bounds(statements);
            let has_hedge =
                |route: &Route| route.hedge().filter(|_| matches!(self.snapshot, Snapshot::Batch));
            let flown = match self.route.as_ref().and_then(has_hedge) {
                Some(after) => Box::pin(self.fly_hedged(batch, bounds, after)).await,
                None => self.lane.fly(batch, bounds).await,
            };
            if may_move && !is_second && flown.may_run_again() {
                is_second = true;
                batch = self.clear(flown).await?;
                continue;
            }
            let next = match &mut self.route {
                Some(route) => route.judge(&flown, &self.lane.connection, may_move),
                None => Next::Done,
            };
            if matches!(next, Next::Done) {
                self.note(&flown.outcome);
                return flown.finish();
            }
            let Flown { batch: Some(returned), outcome, .. } = flown else {
                return Err(Error::new(Kind::Lost));
            };
            Box::pin(self.move_on(next, outcome)).await?;
            batch = returned;
            reset(&mut batch);
        }
    }

    /// Refuses to read on in a snapshot that is over: the server may have rolled it back.
    fn check_snapshot(&mut self) -> Result<()> {
        if matches!(self.snapshot, Snapshot::Seen) && self.lane.connection.is_abandoned() {
            self.snapshot = Snapshot::Ended("a batch was abandoned before its end".to_owned());
        }
        match &self.snapshot {
            Snapshot::Ended(earlier) => Err(Error::new(Kind::SnapshotEnded { earlier: earlier.clone() })),
            _ => Ok(()),
        }
    }

    /// Notes what came of a batch. One that fails ends the snapshot on PostgreSQL, so it does on SQLite too.
    fn note(&mut self, outcome: &Result<()>) {
        match (&self.snapshot, outcome) {
            (Snapshot::Next, Ok(())) => self.snapshot = Snapshot::Seen,
            (Snapshot::Seen, Err(error)) => self.snapshot = Snapshot::Ended(error.to_string()),
            _ => {}
        }
    }

    /// Whether something is in the way of the next batch: its connection was given up, or an earlier batch left
    /// something under way on it.
    fn is_unready(&self) -> bool {
        let connection = &self.lane.connection;
        connection.is_given_up()
            || connection.is_abandoned()
            || (matches!(self.snapshot, Snapshot::Next) && !connection.is_clean())
    }

    /// Ends what an earlier batch left under way, or takes another connection.
    async fn make_ready(&mut self) -> Result<()> {
        let connection = &mut self.lane.connection;
        if !connection.is_given_up() {
            // A cancel request that comes late would hit what runs next.
            if connection.clean().await.is_ok() && !connection.was_cancelled() {
                return Ok(());
            }
            connection.give_up();
        }
        match &mut self.route {
            Some(route) => *connection = route.anew().await?,
            None => connection.renew(self.holder).await?,
        }
        Ok(())
    }

    /// Ends what a batch that failed began, so that it can be sent again.
    async fn clear<B: Batch>(&mut self, flown: Flown<B>) -> Result<B> {
        let connection = &mut self.lane.connection;
        if !connection.is_clean() {
            connection.clean().await?;
            // A cancel request that comes late would hit what runs next.
            if connection.was_cancelled() {
                flown.outcome?;
            }
        }
        let mut batch = flown.batch.ok_or_else(|| Error::new(Kind::Lost))?;
        reset(&mut batch);
        Ok(batch)
    }

    /// Sends a batch, and if it takes long and asks for one row, sends it to a second replica too: the first answer
    /// counts, and the other read is ended. The journal hears of the first only.
    async fn fly_hedged<B: Batch>(&mut self, batch: B, bounds: Bounds, after: Duration) -> Flown<B> {
        let (Some(twin), Some(route)) = (batch.twin(), &mut self.route) else {
            return self.lane.fly(batch, bounds).await;
        };
        let (second, answer) = {
            let mut first = pin!(self.lane.fly(batch, bounds));
            if let Ok(flown) = timeout(after, &mut first).await {
                return flown;
            }
            let second = async {
                let mut lease = route.second().await?;
                let flown = lease.fly_timed(twin, bounds, None).await;
                flown.outcome.is_ok().then_some((lease, flown))
            };
            tokio::select! {
                biased;
                flown = &mut first => return flown,
                Some(answered) = second => answered,
            }
        };
        route.moved_to(&second);
        self.lane.connection = second;
        answer
    }

    fn bounds(&self, statements: usize) -> Bounds {
        let asks_replayed = self.route.as_ref().is_some_and(Route::asks_replayed);
        let mut bounds = Bounds { read_only: true, asks_replayed, ..Bounds::default() };
        match self.snapshot {
            // A single statement is its own snapshot, and read only by the connection's default.
            Snapshot::Batch if statements > 1 => {
                bounds.begin = Some(Begin::Snapshot);
                bounds.end = Some(End::Commit);
            }
            Snapshot::Batch | Snapshot::Ended(_) => {}
            Snapshot::Next => bounds.begin = Some(Begin::Snapshot),
            Snapshot::Seen => bounds.continues = true,
        }
        bounds
    }

    /// Makes ready to send a batch again: where its server has become fresh enough, or to another server. What was
    /// wrong with the first is what is reported if there is no other.
    async fn move_on(&mut self, next: Next, outcome: Result<()>) -> Result<()> {
        let Some(route) = &mut self.route else { return outcome };
        let connection = &mut self.lane.connection;
        let lease = match next {
            Next::Done => return outcome,
            Next::TooOld => route.wait(connection).await,
            Next::Elsewhere => route.elsewhere(connection).await,
        };
        match lease? {
            Some(lease) => *connection = lease,
            None if connection.is_given_up() => return outcome.and(Err(Error::new(Kind::Lost))),
            None => {}
        }
        Ok(())
    }

    /// The outline of a statement's plan.
    pub(crate) async fn outline(
        &mut self,
        statement: &Statement,
        values: Vec<Value>,
        call: Call,
    ) -> Result<String> {
        let mut plan = Plan::default();
        explain_one(self, &explained(statement, How::Plan), values, call, &mut plan).await?;
        Ok(plan.outline)
    }

    /// What this session did so far.
    pub fn counts(&self) -> Counts {
        self.lane.counts
    }

    /// Refuses what must not be sent; returns the number of statements.
    fn check<B: Batch>(&self, batch: &mut B) -> Result<usize> {
        check(batch)?;
        let engine = self.lane.connection.engine();
        let queries = queries(batch);
        let count = queries.len();
        for query in queries {
            let statement = &query.request().statement;
            refuse_control(statement, engine)?;
            if !statement.is_read(engine) {
                return Err(Error::new(Kind::WriteInRead).with_statement(statement.sql(engine)));
            }
        }
        Ok(count)
    }
}

impl fmt::Debug for ReadSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadSession").field("counts", &self.lane.counts).finish_non_exhaustive()
    }
}

impl Sealed for ReadSession {}

impl Session for ReadSession {
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
