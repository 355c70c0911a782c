//! The way of one read session through the nodes.

use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::choice::{Choice, Tried};
use super::lease::Lease;
use super::need::Need;
use super::router::Router;
use crate::driver::Flown;
use crate::error::{Error, Kind, Result};
use crate::pool::{AcquireBudget, AcquireDeadline};

/// Between two looks at a replica that is waited for; doubled each time.
const FIRST_LOOK: Duration = Duration::from_micros(500);
/// A read that failed on the primary is tried there once more: it may have been replaced, or only have hung up.
const ON_PRIMARY: u32 = 2;

/// Where a read session is, where it was, and what it asks of a node.
pub(crate) struct Route {
    router: Arc<Router>,
    need: Need,
    holder: &'static Location<'static>,
    node: usize,
    /// What the node must have replayed, as long as that is not known.
    needs: Option<u64>,
    tried: Tried,
    /// How often it was sent to the primary.
    on_primary: u32,
    /// The time that is left to wait for connections until something succeeds.
    budget: AcquireBudget,
}

/// What comes of a flight.
pub(crate) enum Next {
    /// It counts.
    Done,
    /// Its answers, if any, are older than was asked for: it has to be sent again.
    TooOld,
    /// It failed for a reason that another node need not have.
    Elsewhere,
}

impl Route {
    pub(super) fn new(router: Arc<Router>, need: Need, holder: &'static Location<'static>) -> Self {
        let budget = router.acquire_budget();
        Self { router, need, holder, node: 0, needs: None, tried: Tried::default(), on_primary: 0, budget }
    }

    /// The first connection.
    pub(super) async fn first(&mut self) -> Result<Lease> {
        let lease = self.lease().await?.ok_or_else(|| Error::new(Kind::Lost))?;
        // What runs on it may have to go elsewhere, and waits for itself then.
        self.budget = self.router.acquire_budget();
        Ok(lease)
    }

    /// A connection to the next node that may do: each fit replica once, then the primary. None when all were tried.
    async fn lease(&mut self) -> Result<Option<Lease>> {
        let deadline = self.budget.deadline();
        let lease = self.lease_by(deadline).await;
        self.budget.spend(deadline);
        lease
    }

    async fn lease_by(&mut self, deadline: AcquireDeadline) -> Result<Option<Lease>> {
        let router = Arc::clone(&self.router);
        while router.replica.enabled
            && let Some(choice) = router.choose(self.need, self.tried)
        {
            let Choice { node, needs } = choice;
            self.tried.add(node);
            if let Some(lease) = router.lend(choice, self.holder, deadline.leaving_time()).await? {
                (self.node, self.needs) = (node, needs);
                return Ok(Some(lease));
            }
        }
        if self.on_primary == ON_PRIMARY {
            return Ok(None);
        }
        self.on_primary += 1;
        let lease = router.lend_primary(self.need, self.holder, deadline).await?;
        (self.node, self.needs) = (lease.node(), None);
        Ok(Some(lease))
    }

    /// Begins again after a failure: what failed then may be well by now.
    pub(crate) async fn anew(&mut self) -> Result<Lease> {
        self.reset();
        self.lease().await?.ok_or_else(|| Error::new(Kind::Lost))
    }

    fn reset(&mut self) {
        (self.tried, self.on_primary) = (Tried::default(), 0);
        self.budget = self.router.acquire_budget();
    }

    /// Whether the next flight has to ask how far its node has replayed.
    pub(crate) fn asks_replayed(&self) -> bool {
        self.needs.is_some()
    }

    /// Looks at a flight. One that failed may go elsewhere only if `may_move`: nothing of its snapshot was seen yet.
    pub(crate) fn judge<B>(&mut self, flown: &Flown<B>, lease: &Lease, may_move: bool) -> Next {
        if let Some(replayed) = flown.replayed {
            self.router.nodes[self.node].health.advance(lease.identity().started, replayed);
            if self.needs.is_some_and(|needed| replayed < needed) {
                return Next::TooOld;
            }
            // From now on it is known.
            self.needs = None;
        }
        match &flown.outcome {
            Ok(()) => {
                self.reset();
                Next::Done
            }
            Err(error) if error.is_of_node() => {
                self.failed(error);
                if !may_move || flown.batch.is_none() {
                    return Next::Done;
                }
                self.router.nodes[self.node].fell_back();
                Next::Elsewhere
            }
            Err(_) => Next::Done,
        }
    }

    fn failed(&mut self, error: &Error) {
        self.tried.add(self.node);
        // A conflict with replay says nothing of the node.
        if error.code().is_none() {
            self.router.fails(self.node, error);
        }
    }

    /// Waits a short time until the node has what is asked of it. If it has it not by then, or was not to be waited
    /// for, a connection to another one.
    pub(crate) async fn wait(&mut self, lease: &mut Lease) -> Result<Option<Lease>> {
        if matches!(self.need, Need::After(_)) && self.catches_up(lease).await {
            self.needs = None;
            return Ok(None);
        }
        lease.give_up();
        self.lease().await
    }

    async fn catches_up(&self, lease: &mut Lease) -> bool {
        let health = &self.router.nodes[self.node].health;
        let deadline = Instant::now() + self.router.replica.wait;
        let mut pause = FIRST_LOOK;
        while Instant::now() + pause < deadline {
            sleep(pause).await;
            pause *= 2;
            let Ok(Some(replayed)) = lease.replay_position().await else { return false };
            health.advance(lease.identity().started, replayed);
            if self.needs.is_none_or(|needed| replayed >= needed) {
                return true;
            }
        }
        health.stalls();
        false
    }

    /// After what time a read of one row is sent to a second replica as well, if that is wanted and known to be right.
    pub(crate) fn hedge(&self) -> Option<Duration> {
        self.router.replica.hedge.filter(|_| self.needs.is_none())
    }

    /// A connection to a second replica that is fit, while the first still runs; none if it would have to be waited
    /// for.
    pub(crate) async fn second(&self) -> Option<Lease> {
        let mut tried = self.tried;
        tried.add(self.node);
        let choice = self.router.choose(self.need, tried).filter(|choice| choice.needs.is_none())?;
        self.router.lend(choice, self.holder, self.router.acquire_budget().deadline()).await.ok()?
    }

    /// Notes that the session goes on where the second was.
    pub(crate) fn moved_to(&mut self, lease: &Lease) {
        self.router.nodes[self.node].fell_back();
        self.node = lease.node();
    }

    /// A connection to another node, after a failure; none when all were tried.
    pub(crate) async fn elsewhere(&mut self, lease: &mut Lease) -> Result<Option<Lease>> {
        lease.give_up();
        self.lease().await
    }
}
