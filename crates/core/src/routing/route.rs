//! The path of one read session through the nodes.

use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tallybook_sql::driver::Executed;
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tokio::time::sleep;

use super::balancer::{ReplicaChoice, Tried};
use super::node_connection::NodeConnection;
use super::read_consistency::ReadConsistency;
use super::router::Router;
use crate::pool::{AcquireBudget, AcquireDeadline};

/// First pause between two checks of a replica that is catching up; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_micros(500);
/// A read that fails on the primary is retried there once: it may have been replaced, or may only have hung
/// up.
const MAX_PRIMARY_ATTEMPTS: u32 = 2;

/// The state of a read session's routing: where it is, what it tried, and what it requires.
pub(crate) struct Route {
    router: Arc<Router>,
    consistency: ReadConsistency,
    caller: &'static Location<'static>,
    node: usize,
    /// Position that the node must have replayed, until that is confirmed.
    required_lsn: Option<u64>,
    tried: Tried,
    /// Attempts on the primary so far.
    primary_attempts: u32,
    /// Time left for waiting for connections, until a batch succeeds.
    budget: AcquireBudget,
}

/// The next step after a round trip.
pub(crate) enum Next {
    /// Use the outcome.
    Done,
    /// Discard the answers, which are staler than required, and send the batch again.
    TooStale,
    /// Send the batch to another node: the failure was this node's own.
    RetryElsewhere,
}

impl Router {
    /// Acquires a connection for a read, and its route for retries. A single node needs no route.
    pub(crate) async fn read(
        self: &Arc<Self>,
        consistency: ReadConsistency,
        caller: &'static Location<'static>,
    ) -> Result<(NodeConnection, Option<Route>)> {
        if let [only] = &*self.nodes {
            return Ok((only.acquire(0, caller, self.acquire_deadline()).await?, None));
        }
        let mut route = Route::new(Arc::clone(self), consistency, caller);
        Ok((route.first().await?, Some(route)))
    }
}

impl Route {
    fn new(router: Arc<Router>, consistency: ReadConsistency, caller: &'static Location<'static>) -> Self {
        let budget = router.acquire_budget();
        Self {
            router,
            consistency,
            caller,
            node: 0,
            required_lsn: None,
            tried: Tried::default(),
            primary_attempts: 0,
            budget,
        }
    }

    /// Acquires the first connection.
    async fn first(&mut self) -> Result<NodeConnection> {
        let connection = self.connection().await?.ok_or_else(|| Error::new(ErrorDetail::Lost))?;
        // A retry of what runs on it gets a full budget of its own.
        self.budget = self.router.acquire_budget();
        Ok(connection)
    }

    /// Acquires a connection to the next node: each fit replica once, then the primary. `None` once all have
    /// failed.
    async fn connection(&mut self) -> Result<Option<NodeConnection>> {
        let deadline = self.budget.deadline();
        let connection = self.acquire_next(deadline).await;
        self.budget.spend(deadline);
        connection
    }

    async fn acquire_next(&mut self, deadline: AcquireDeadline) -> Result<Option<NodeConnection>> {
        let router = Arc::clone(&self.router);
        while router.replica.enabled
            && let Some(choice) = router.choose_replica(self.consistency, self.tried)
        {
            let ReplicaChoice { node, required_lsn } = choice;
            self.tried.add(node);
            if let Some(connection) = router.acquire(node, self.caller, deadline.reserving_half()).await? {
                (self.node, self.required_lsn) = (node, required_lsn);
                return Ok(Some(connection));
            }
        }
        if self.primary_attempts == MAX_PRIMARY_ATTEMPTS {
            return Ok(None);
        }
        self.primary_attempts += 1;
        let connection = router.acquire_primary(self.consistency, self.caller, deadline).await?;
        (self.node, self.required_lsn) = (connection.node(), None);
        Ok(Some(connection))
    }

    /// Starts over after a failure: nodes that failed before may work again.
    pub(crate) async fn restart(&mut self) -> Result<NodeConnection> {
        self.reset();
        self.connection().await?.ok_or_else(|| Error::new(ErrorDetail::Lost))
    }

    fn reset(&mut self) {
        (self.tried, self.primary_attempts) = (Tried::default(), 0);
        self.budget = self.router.acquire_budget();
    }

    /// Returns whether the next round trip must ask for the replay position of its node.
    pub(crate) fn asks_replayed(&self) -> bool {
        self.required_lsn.is_some()
    }

    /// Decides what to do after a round trip. A failed batch may move only if `may_move`: nothing of its
    /// snapshot was seen.
    pub(crate) fn assess<B>(
        &mut self,
        executed: &Executed<B>,
        connection: &NodeConnection,
        may_move: bool,
    ) -> Next {
        if let Some(replayed) = executed.replayed {
            self.router.nodes[self.node].health.advance(connection.identity().started, replayed);
            if self.required_lsn.is_some_and(|required| replayed < required) {
                return Next::TooStale;
            }
            // Confirmed from now on.
            self.required_lsn = None;
        }
        match &executed.outcome {
            Ok(()) => {
                self.reset();
                Next::Done
            }
            Err(error) if error.is_of_node() => {
                self.failed(error);
                if !may_move || executed.batch.is_none() {
                    return Next::Done;
                }
                self.router.nodes[self.node].count_fallback();
                Next::RetryElsewhere
            }
            Err(_) => Next::Done,
        }
    }

    fn failed(&mut self, error: &Error) {
        self.tried.add(self.node);
        // A conflict with replay does not make the node unhealthy.
        if error.code().is_none() {
            self.router.report_failure(self.node, error);
        }
    }

    /// Waits briefly until the node has replayed the required position. If it does not get there, or the read
    /// does not wait, returns a connection to another node.
    pub(crate) async fn wait(&mut self, connection: &mut NodeConnection) -> Result<Option<NodeConnection>> {
        if matches!(self.consistency, ReadConsistency::After(_)) && self.waits_for_replay(connection).await {
            self.required_lsn = None;
            return Ok(None);
        }
        connection.release();
        self.connection().await
    }

    async fn waits_for_replay(&self, connection: &mut NodeConnection) -> bool {
        let health = &self.router.nodes[self.node].health;
        let deadline = Instant::now() + self.router.replica.wait;
        let mut pause = FIRST_PAUSE;
        while Instant::now() + pause < deadline {
            sleep(pause).await;
            pause *= 2;
            let Ok(Some(replayed)) = connection.replay_position().await else { return false };
            health.advance(connection.identity().started, replayed);
            if self.required_lsn.is_none_or(|required| replayed >= required) {
                return true;
            }
        }
        health.mark_stalled();
        false
    }

    /// Returns a connection to another node after a failure, or `None` once all have failed.
    pub(crate) async fn next_node(
        &mut self,
        connection: &mut NodeConnection,
    ) -> Result<Option<NodeConnection>> {
        connection.release();
        self.connection().await
    }
}
