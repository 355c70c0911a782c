//! The router: all nodes, and the ways to get a connection.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tallybook_sql::driver::Role;
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::replication::Position;
use tokio::time::{sleep, timeout_at};

use super::metrics::{log_size, metrics};
use super::node::Node;
use super::node_connection::NodeConnection;
use super::primary::Primary;
use super::primary_fallback::FallbackBudget;
use super::read_consistency::ReadConsistency;
use super::status::{NodeRole, NodeState, NodeStatus};
use super::topology::topology;
use super::write_queue::WriteQueue;
use crate::driver::{Connection, Connector};
use crate::metrics::Metric;
use crate::observe::Log;
use crate::pool::{AcquireBudget, AcquireDeadline, Pool, Waiting};
use crate::settings::{ReplicaSettings, Settings};

/// Pause between two checks of a failed node.
pub(super) const RECHECK_INTERVAL: Duration = Duration::from_millis(20);
/// Time within which a failed node is found to be up or down.
const SETTLE_LIMIT: Duration = Duration::from_secs(2);

pub(crate) struct Router {
    pub(super) nodes: Vec<Node>,
    pub(super) primary: Primary,
    pub(super) replica: ReplicaSettings,
    /// Time that callers wait for a primary.
    timeout: Duration,
    fallback: FallbackBudget,
    /// Callers that wait for a connection to the primary.
    waiting_writers: Arc<AtomicUsize>,
    write_queue: WriteQueue,
    closed: AtomicBool,
}

impl Router {
    /// Creates the nodes of the settings, in an unknown state.
    pub(super) fn new(settings: &Settings, log: &Log) -> Self {
        let epoch = Instant::now();
        let planned = topology(settings);
        let is_single = planned.len() == 1;
        let nodes = planned.into_iter().map(|planned| Node::new(planned, settings, log, epoch, is_single));
        Self {
            nodes: nodes.collect(),
            primary: if is_single { Primary::fixed(epoch) } else { Primary::undecided(epoch) },
            replica: settings.replica.clone(),
            timeout: settings.pool.timeout,
            fallback: FallbackBudget::new(settings.replica.fallback),
            waiting_writers: Arc::default(),
            write_queue: WriteQueue::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// Returns the deadline of a caller that starts to wait now.
    pub(crate) fn acquire_deadline(&self) -> AcquireDeadline {
        AcquireDeadline::after(self.timeout)
    }

    /// Returns the total time that one call may wait for connections.
    pub(crate) fn acquire_budget(&self) -> AcquireBudget {
        AcquireBudget::new(self.timeout)
    }

    /// Acquires a connection to the primary.
    pub(crate) async fn write(
        &self,
        caller: &'static Location<'static>,
        deadline: AcquireDeadline,
    ) -> Result<NodeConnection> {
        let _waiting = Waiting::new(&self.waiting_writers);
        if let [only] = &*self.nodes {
            return only.acquire_writer(0, caller, deadline).await;
        }
        loop {
            let node = self.find_primary(deadline).await?;
            match self.nodes[node].acquire_writer(node, caller, deadline).await {
                Err(error) if error.is_of_node() && !deadline.is_over() => {
                    self.report_failure(node, &error);
                    // The next probe finds it up or down.
                    sleep(RECHECK_INTERVAL).await;
                }
                connection => return connection,
            }
        }
    }

    /// Returns the transactions of callers that wait to share one.
    pub(crate) fn write_queue(&self) -> &WriteQueue {
        &self.write_queue
    }

    /// Returns the number of callers that wait for a connection to the primary.
    pub(crate) fn waiting_writers(&self) -> &Arc<AtomicUsize> {
        &self.waiting_writers
    }

    /// Acquires a connection to a replica, or returns `None` if it turns out to be unusable.
    pub(super) async fn acquire(
        &self,
        node: usize,
        caller: &'static Location<'static>,
        deadline: AcquireDeadline,
    ) -> Result<Option<NodeConnection>> {
        match self.nodes[node].acquire(node, caller, deadline).await {
            Ok(connection) if self.nodes[node].health.is_same_start(connection.identity().started) => {
                Ok(Some(connection))
            }
            Ok(_) => {
                self.nodes[node].mark_suspect("it was restarted".to_owned());
                self.nodes[node].wake.notify_one();
                Ok(None)
            }
            Err(error) if error.is_of_node() => {
                self.report_failure(node, &error);
                Ok(None)
            }
            Err(error) if error.is_queue_full() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Acquires a connection to the primary for a read. Takes a permit from the fallback budget, unless the
    /// read demands the primary.
    pub(super) async fn acquire_primary(
        &self,
        consistency: ReadConsistency,
        caller: &'static Location<'static>,
        deadline: AcquireDeadline,
    ) -> Result<NodeConnection> {
        let permit = match self.replica.enabled && consistency != ReadConsistency::Primary {
            true => Some(self.fallback.take(deadline).await?),
            false => None,
        };
        let connection = self.write(caller, deadline).await?;
        Ok(match permit {
            Some(permit) => connection.with_fallback_permit(permit),
            None => connection,
        })
    }

    /// Returns the primary, and waits until there is one.
    async fn find_primary(&self, deadline: AcquireDeadline) -> Result<usize> {
        loop {
            let changed = self.primary.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(node) = self.primary.now(&self.nodes) {
                return Ok(node);
            }
            if self.primary.conflict().is_some() {
                return Err(self.no_primary(Duration::ZERO));
            }
            if self.is_closed() {
                return Err(Error::new(ErrorDetail::Closed));
            }
            self.nodes.iter().filter(|node| node.is_candidate).for_each(|node| node.wake.notify_one());
            // A primary that was lost may be replaced in a moment; one that never was there is not waited for.
            if !self.primary.was_found() {
                return Err(self.no_primary(Duration::ZERO));
            }
            if timeout_at(deadline.end().into(), changed).await.is_err() {
                return Err(self.no_primary(deadline.timeout()));
            }
        }
    }

    /// Returns the error of a caller who needs a primary and has waited for one.
    pub(super) fn no_primary(&self, after: Duration) -> Error {
        Error::new(match self.primary.conflict() {
            Some(detail) => ErrorDetail::TwoPrimaries { detail },
            None => ErrorDetail::NoPrimary { after, detail: self.candidates() },
        })
    }

    /// Returns the names of the servers that may be the primary, and why each is not.
    pub(super) fn candidates(&self) -> String {
        let reason = |node: &Node| {
            let known = node.health.known();
            match known.role {
                NodeRole::Replica => format!("{}: it is a replica", node.name),
                _ => format!("{}: {}", node.name, known.reason),
            }
        };
        self.nodes.iter().filter(|node| node.is_candidate).map(reason).collect::<Vec<_>>().join("; ")
    }

    /// Records a failure that the node itself caused, and probes it at once.
    pub(crate) fn report_failure(&self, node: usize, error: &Error) {
        if self.has_others() {
            self.nodes[node].mark_suspect(error.without_values());
            self.nodes[node].wake.notify_one();
        }
    }

    /// Waits until a failed node has been probed, so that nobody returns to one that is going down.
    pub(crate) async fn wait_until_probed(&self, node: usize, deadline: AcquireDeadline) {
        let end = deadline.end().min(Instant::now() + SETTLE_LIMIT);
        while Instant::now() < end && self.nodes[node].health.known().state == NodeState::Suspect {
            sleep(RECHECK_INTERVAL).await;
        }
    }

    /// Elects the primary from the latest probes.
    pub(super) fn elect(&self) {
        if self.has_others() {
            self.primary.elect(&self.nodes);
        }
    }

    /// Returns whether a node may still be written to.
    pub(crate) fn is_primary(&self, node: usize) -> bool {
        self.primary.last() == Some(node)
    }

    /// Returns the name of a node.
    pub(crate) fn name(&self, node: usize) -> &str {
        &self.nodes[node].name
    }

    /// Records that a node acknowledged a commit, with its position if known.
    pub(crate) fn record_commit(&self, node: usize, position: Option<Position>) {
        if self.has_others() {
            self.nodes[node].acknowledged.add(position.map(|position| position.lsn));
        }
    }

    /// Returns whether there is more than one node.
    pub(crate) fn has_others(&self) -> bool {
        self.nodes.len() > 1
    }

    /// Returns the metrics of the nodes; for a single node only the size of SQLite's log.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        if !self.has_others() {
            return log_size(&self.status());
        }
        metrics(&self.status(), self.fallback.refused(), self.primary.doubtful())
    }

    /// Returns the status of each node, those of `DATABASE_URL` first.
    pub(crate) fn status(&self) -> Vec<NodeStatus> {
        let last = self.primary.history().last();
        self.nodes.iter().map(|node| node.status(last)).collect()
    }

    /// Returns the pools of all nodes.
    pub(crate) fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.nodes.iter().flat_map(Node::pools)
    }

    /// Acquires an idle connection of the primary, or returns `None` instead of waiting.
    pub(crate) fn idle(&self, caller: &'static Location<'static>) -> Option<NodeConnection> {
        let node = self.primary.last()?;
        Some(NodeConnection::new(self.nodes[node].reads.try_acquire(caller)?, node))
    }

    /// Returns the connectors of all nodes.
    pub(crate) fn connectors(&self) -> impl Iterator<Item = &Connector> {
        self.nodes.iter().map(|node| &node.connector)
    }

    /// Opens a connection to the primary outside the pools, for migrations.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        let deadline = self.acquire_deadline();
        let node = if self.has_others() { self.find_primary(deadline).await? } else { 0 };
        self.nodes[node].writes.connect(Role::Migrate, deadline).await
    }

    /// Closes the idle connections of all pools.
    pub(crate) async fn close_idle(&self) {
        join_all(self.nodes.iter().map(Node::close_idle)).await;
    }

    /// Stops probing and closes all pools; waits for connections in use until the deadline.
    pub(crate) async fn close(&self, deadline: AcquireDeadline) {
        self.stop_watching();
        join_all(self.nodes.iter().map(|node| node.close(deadline))).await;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn stop_watching(&self) {
        self.closed.store(true, Ordering::Release);
        self.primary.changed.notify_waiters();
        self.nodes.iter().for_each(|node| node.wake.notify_one());
    }
}
