//! The nodes, and the ways to a connection.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::{sleep, timeout_at};

use super::choice::Choice;
use super::figures::{log_size, metrics};
use super::history::History;
use super::layout::layout;
use super::lease::Lease;
use super::need::Need;
use super::node::Node;
use super::primary::Primary;
use super::prober::{role, watch};
use super::route::Route;
use super::spill::Spill;
use super::status::{NodeRole, NodeState, NodeStatus};
use super::watch::Watch;
use crate::driver::{Connection, Connector, Position, Role};
use crate::error::{Error, Kind, Result};
use crate::metrics::Metric;
use crate::observe::Log;
use crate::pool::{AcquireBudget, AcquireDeadline, Pool};
use crate::settings::{ReplicaSettings, Settings};

/// How long the start waits at most until it is known how old replicas are: before that is known, reads are for the
/// primary, whose budget for them is small.
const MEET: Duration = Duration::from_secs(1);
/// Between two looks at a primary that failed.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// A node that failed is found to be up or down within this time.
const SETTLE: Duration = Duration::from_secs(2);

pub(crate) struct Router {
    pub(super) nodes: Vec<Node>,
    pub(super) primary: Primary,
    pub(super) replica: ReplicaSettings,
    pub(super) epoch: Instant,
    /// How long a caller waits for a primary.
    timeout: Duration,
    history: Mutex<History>,
    spill: Spill,
    /// Transactions that a replaced primary acknowledged and its successor was not seen to have.
    doubtful: AtomicU64,
    closed: AtomicBool,
}

impl Router {
    /// The nodes that the settings name, of which nothing is known yet.
    pub(super) fn new(settings: &Settings, log: &Log) -> Self {
        let epoch = Instant::now();
        let planned = layout(settings);
        let is_single = planned.len() == 1;
        let nodes = planned.into_iter().map(|planned| Node::new(planned, settings, log, epoch, is_single));
        Self {
            nodes: nodes.collect(),
            primary: if is_single { Primary::only() } else { Primary::none() },
            replica: settings.replica.clone(),
            epoch,
            timeout: settings.pool.timeout,
            history: Mutex::default(),
            spill: Spill::new(settings.replica.spill),
            doubtful: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Finds the primary, and begins to watch the nodes where there are several.
    ///
    /// # Errors
    /// When the primary can't be reached or is not to be told. A replica that can't be reached is no error.
    pub(crate) async fn open(settings: &Settings, log: &Log) -> Result<Arc<Self>> {
        let router = Arc::new(Self::new(settings, log));
        let is_single = !router.has_others();
        if is_single {
            router.nodes[0].health.set(NodeRole::Primary, NodeState::Up, String::new());
        } else {
            router.meet().await?;
        }
        drop(router.write(Location::caller(), router.acquire_deadline()).await?);
        if is_single {
            let standby = router.nodes[0].writes.identity().standby;
            router.nodes[0].health.set(role(standby), NodeState::Up, String::new());
        }
        // One of several servers behind a single node says nothing of the others.
        if is_single && router.nodes[0].connector.leads_to_one_server() {
            tokio::spawn(watch(Arc::downgrade(&router), 0, Watch::default()));
        }
        Ok(router)
    }

    /// Asks all nodes for the first time, and leaves each to a task.
    async fn meet(self: &Arc<Self>) -> Result<()> {
        let mut watches: Vec<_> = self.nodes.iter().map(|_| Watch::default()).collect();
        let deadline = Instant::now() + MEET;
        self.ask_all(&mut watches).await;
        // Again: how old a replica is can be told once the primary is known, and the replica has come as far as the
        // primary was then.
        self.ask_all(&mut watches).await;
        while self.is_unsure() && Instant::now() < deadline {
            sleep(LOOK_AGAIN).await;
            self.ask_all(&mut watches).await;
        }
        for (node, kept) in watches.into_iter().enumerate() {
            tokio::spawn(watch(Arc::downgrade(self), node, kept));
        }
        if self.primary.now(self).is_some() {
            return Ok(());
        }
        self.close_watch();
        Err(self.no_primary(self.epoch.elapsed()))
    }

    /// Asks all that have answered so far.
    async fn ask_all(&self, watches: &mut [Watch]) {
        let asked = watches.iter_mut().enumerate().map(async |(node, watch)| {
            if self.nodes[node].health.known().failures == 0 {
                self.ask(node, watch).await;
            }
        });
        join_all(asked).await;
        self.elect();
    }

    /// Whether there are replicas, of which none is known to be fresh enough and some may be.
    fn is_unsure(&self) -> bool {
        let is_unknown = |node: &Node| node.health.is_readable() && node.health.covered().is_none();
        self.replica.enabled
            && !self.nodes.iter().any(|node| node.health.is_up())
            && self.nodes.iter().any(is_unknown)
    }

    /// A connection for a read, and how to go on if it turns out not to do; there is nothing to go on to where there
    /// is one node.
    pub(crate) async fn read(
        self: &Arc<Self>,
        need: Need,
        holder: &'static Location<'static>,
    ) -> Result<(Lease, Option<Route>)> {
        if let [only] = &*self.nodes {
            return Ok((only.lend(0, holder, self.acquire_deadline()).await?, None));
        }
        let mut route = Route::new(Arc::clone(self), need, holder);
        Ok((route.first().await?, Some(route)))
    }

    /// The deadline of a caller who begins to wait for a connection now.
    pub(crate) fn acquire_deadline(&self) -> AcquireDeadline {
        AcquireDeadline::after(self.timeout)
    }

    /// What a call may wait for connections in all.
    pub(crate) fn acquire_budget(&self) -> AcquireBudget {
        AcquireBudget::new(self.timeout)
    }

    /// A connection to the primary.
    pub(crate) async fn write(
        &self,
        holder: &'static Location<'static>,
        deadline: AcquireDeadline,
    ) -> Result<Lease> {
        if let [only] = &*self.nodes {
            return only.lend_writer(0, holder, deadline).await;
        }
        loop {
            let node = self.find_primary(deadline).await?;
            match self.nodes[node].lend_writer(node, holder, deadline).await {
                Err(error) if error.is_of_node() && !deadline.is_over() => {
                    self.fails(node, &error);
                    // It will be found to be down, or to be up.
                    sleep(LOOK_AGAIN).await;
                }
                lease => return lease,
            }
        }
    }

    /// A connection to the replica of a choice, or none if it does not do after all.
    pub(super) async fn lend(
        &self,
        choice: Choice,
        holder: &'static Location<'static>,
        deadline: AcquireDeadline,
    ) -> Result<Option<Lease>> {
        let Choice { node, .. } = choice;
        match self.nodes[node].lend(node, holder, deadline).await {
            Ok(lease) if self.nodes[node].health.is_of(lease.identity().started) => Ok(Some(lease)),
            Ok(_) => {
                self.suspect(node, "it was started anew".to_owned());
                self.nodes[node].prod.notify_one();
                Ok(None)
            }
            Err(error) if error.is_of_node() => {
                self.fails(node, &error);
                Ok(None)
            }
            Err(error) if error.is_queue_full() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A connection to the primary for a read; for one that no replica is fit for, out of the budget for such reads.
    pub(super) async fn lend_primary(
        &self,
        need: Need,
        holder: &'static Location<'static>,
        deadline: AcquireDeadline,
    ) -> Result<Lease> {
        let permit = match self.replica.enabled && need != Need::Primary {
            true => Some(self.spill.take(deadline).await?),
            false => None,
        };
        let lease = self.write(holder, deadline).await?;
        Ok(match permit {
            Some(permit) => lease.spilled(permit),
            None => lease,
        })
    }

    /// The primary; waits for one.
    async fn find_primary(&self, deadline: AcquireDeadline) -> Result<usize> {
        loop {
            let changed = self.primary.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(node) = self.primary.now(self) {
                return Ok(node);
            }
            if self.primary.conflict().is_some() {
                return Err(self.no_primary(Duration::ZERO));
            }
            if self.is_closed() {
                return Err(Error::new(Kind::Closed));
            }
            self.nodes.iter().filter(|node| node.is_candidate).for_each(|node| node.prod.notify_one());
            if timeout_at(deadline.end().into(), changed).await.is_err() {
                return Err(self.no_primary(deadline.timeout()));
            }
        }
    }

    fn no_primary(&self, after: Duration) -> Error {
        if let Some(detail) = self.primary.conflict() {
            return Error::new(Kind::TwoPrimaries { detail });
        }
        let mut was_reached = false;
        let mut told = Vec::new();
        for node in self.nodes.iter().filter(|node| node.is_candidate) {
            let known = node.health.known();
            was_reached |= known.role != NodeRole::Unknown;
            told.push(match known.role {
                NodeRole::Replica => format!("{}: it is a replica", node.name),
                _ => format!("{}: {}", node.name, known.reason),
            });
        }
        let detail = told.join("; ");
        match was_reached {
            true => Error::new(Kind::NoPrimary { after, detail }),
            false => Error::connect("a primary", detail),
        }
    }

    /// Notes that something failed on a node for a reason of its own; it is asked at once how it is.
    pub(crate) fn fails(&self, node: usize, error: &Error) {
        if self.has_others() {
            self.suspect(node, error.without_values());
            self.nodes[node].prod.notify_one();
        }
    }

    /// Waits until a node that failed was asked how it is, so that nobody goes back to one that is going down.
    pub(crate) async fn settled(&self, node: usize, deadline: AcquireDeadline) {
        let end = deadline.end().min(Instant::now() + SETTLE);
        while Instant::now() < end && self.nodes[node].health.known().state == NodeState::Suspect {
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Whether a node may still be written to.
    pub(crate) fn is_primary(&self, node: usize) -> bool {
        self.primary.last() == Some(node)
    }

    /// The name of a node.
    pub(crate) fn name(&self, node: usize) -> &str {
        &self.nodes[node].name
    }

    /// Notes that a node acknowledged a transaction, whose end is at a position of its log, if that is known.
    pub(crate) fn committed(&self, node: usize, position: Option<Position>) {
        if self.has_others() {
            self.nodes[node].acknowledged.add(position.map(|position| position.lsn));
        }
    }

    /// Whether another node may take over what one can't do.
    pub(crate) fn has_others(&self) -> bool {
        self.nodes.len() > 1
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add_doubtful(&self, transactions: u64) {
        self.doubtful.fetch_add(transactions, Ordering::Relaxed);
    }

    /// What is counted of the nodes; where there is one, the size of its log on SQLite and nothing else.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        if !self.has_others() {
            return log_size(&self.status());
        }
        metrics(&self.status(), self.spill.refused(), self.doubtful.load(Ordering::Relaxed))
    }

    /// Each node, those of `DATABASE_URL` first.
    pub(crate) fn status(&self) -> Vec<NodeStatus> {
        let last = self.history().last();
        self.nodes.iter().map(|node| node.status(last)).collect()
    }

    /// The pools of all nodes.
    pub(crate) fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.nodes.iter().flat_map(Node::pools)
    }

    /// A connection of the primary that is at rest; none, rather than to wait for one.
    pub(crate) fn idle(&self, holder: &'static Location<'static>) -> Option<Lease> {
        let node = self.primary.last()?;
        Some(Lease::new(self.nodes[node].reads.checkout_idle(holder)?, node))
    }

    /// The ways to all nodes.
    pub(crate) fn connectors(&self) -> impl Iterator<Item = &Connector> {
        self.nodes.iter().map(|node| &node.connector)
    }

    /// A connection to the primary apart from the pools, for revisions.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        let deadline = self.acquire_deadline();
        let node = if self.has_others() { self.find_primary(deadline).await? } else { 0 };
        self.nodes[node].writes.connect(Role::Migrate, deadline).await
    }

    /// Closes the connections of all pools that are at rest.
    pub(crate) async fn close_idle(&self) {
        join_all(self.nodes.iter().map(Node::close_idle)).await;
    }

    /// Closes all pools, and ends the watch; waits for what is lent until the deadline.
    pub(crate) async fn close(&self, deadline: AcquireDeadline) {
        self.close_watch();
        join_all(self.nodes.iter().map(|node| node.close(deadline))).await;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn close_watch(&self) {
        self.closed.store(true, Ordering::Release);
        self.primary.changed.notify_waiters();
        self.nodes.iter().for_each(|node| node.prod.notify_one());
    }
}
