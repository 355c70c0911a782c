//! One server, or one SQLite file, with its pools.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Instant;

use tallybook_sql::dialect::Dialect;
use tallybook_sql::driver::Role;
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tokio::sync::Notify;

use super::acknowledged::Acknowledged;
use super::health::{Health, Known};
use super::node_connection::NodeConnection;
use super::status::{NodeRole, NodeState, NodeStatus};
use super::topology::PlannedNode;
use crate::driver::Connector;
use crate::observe::Log;
use crate::pool::{AcquireDeadline, Pool, PooledConnection};
use crate::settings::{ConnectTarget, PoolSettings, Settings};

pub(super) struct Node {
    pub(super) name: String,
    pub(super) is_candidate: bool,
    /// It is the only node.
    is_alone: bool,
    pub(super) weight: u32,
    pub(super) zone: Option<String>,
    pub(super) connector: Connector,
    /// The same pool as `writes` on PostgreSQL. SQLite has a separate pool of one for its writer.
    pub(super) reads: Pool,
    pub(super) writes: Pool,
    pub(super) health: Health,
    /// Notified when the node is marked down.
    marked_down: Notify,
    /// Notified when the node should be probed at once.
    pub(super) wake: Arc<Notify>,
    served: AtomicU64,
    fallbacks: AtomicU64,
    /// The latest commits that the node acknowledged.
    pub(super) acknowledged: Acknowledged,
}

impl Node {
    pub(super) fn new(
        planned: PlannedNode,
        settings: &Settings,
        log: &Log,
        epoch: Instant,
        is_alone: bool,
    ) -> Self {
        let PlannedNode { name, mut target, is_candidate, weight, zone } = planned;
        if let ConnectTarget::Postgres(target) = &mut target {
            target.statement_cache_size = settings.statement_cache_size;
        }
        let connector = Connector::new(&target, settings.file_access());
        let pool = |name: &str, role, pool_settings| {
            Pool::new(name, connector.clone(), role, pool_settings, log.clone()).watch_leaks()
        };
        let (reads, writes) = match settings.database_url.dialect() {
            Dialect::Postgres => {
                let pool = pool(&name, Role::Write, settings.pool.clone());
                (pool.clone(), pool)
            }
            Dialect::Sqlite => (
                pool("readers", Role::Read, settings.pool.clone()).watch_log(),
                pool("writer", Role::Write, one_connection(&settings.pool)),
            ),
        };
        Self {
            name,
            is_candidate,
            is_alone,
            weight,
            zone,
            connector,
            reads,
            writes,
            health: Health::new(epoch),
            marked_down: Notify::new(),
            wake: Arc::new(Notify::new()),
            served: AtomicU64::new(0),
            fallbacks: AtomicU64::new(0),
            acknowledged: Acknowledged::default(),
        }
    }

    /// Acquires a connection for reading. Fails as soon as the node is marked down.
    pub(super) async fn acquire(
        &self,
        number: usize,
        caller: &'static Location<'static>,
        deadline: AcquireDeadline,
    ) -> Result<NodeConnection> {
        self.acquire_from(&self.reads, number, caller, deadline).await
    }

    /// Acquires a connection for writing. Fails as soon as the node is marked down.
    pub(super) async fn acquire_writer(
        &self,
        number: usize,
        caller: &'static Location<'static>,
        deadline: AcquireDeadline,
    ) -> Result<NodeConnection> {
        self.acquire_from(&self.writes, number, caller, deadline).await
    }

    async fn acquire_from(
        &self,
        pool: &Pool,
        number: usize,
        caller: &'static Location<'static>,
        deadline: AcquireDeadline,
    ) -> Result<NodeConnection> {
        let mut pooled = pin!(pool.acquire(caller, deadline));
        let pooled = match poll_fn(|context| Poll::Ready(pooled.as_mut().poll(context))).await {
            Poll::Ready(pooled) => pooled?,
            Poll::Pending => self.unless_marked_down(pooled).await?,
        };
        self.served.fetch_add(1, Ordering::Relaxed);
        Ok(NodeConnection::new(pooled, number))
    }

    async fn unless_marked_down(
        &self,
        pooled: impl Future<Output = Result<PooledConnection>>,
    ) -> Result<PooledConnection> {
        let mut marked_down = pin!(self.marked_down.notified());
        marked_down.as_mut().enable();
        // It may have been marked down before the listener was ready. The only node is tried regardless.
        if self.health.is_down() && !self.is_alone {
            return Err(self.lost());
        }
        tokio::select! {
            biased;
            pooled = pooled => pooled,
            () = marked_down => Err(self.lost()),
        }
    }

    fn lost(&self) -> Error {
        Error::new(ErrorDetail::Lost).at_server(&self.connector.target().into())
    }

    /// Aborts all its connections, and fails all callers that wait for one or for an answer.
    pub(super) fn disconnect(&self) {
        self.writes.abort_connections();
        self.marked_down.notify_waiters();
    }

    /// Marks it down, aborts its connections and fails its waiting callers.
    pub(super) fn mark_down(&self, role: NodeRole, reason: String) {
        self.set_state(role, NodeState::Down, reason);
        self.disconnect();
    }

    /// Keeps new reads away from it until the next probe.
    pub(super) fn mark_suspect(&self, reason: String) {
        let (role, state) = {
            let known = self.health.known();
            (known.role, known.state)
        };
        if matches!(state, NodeState::Up | NodeState::Lagging) {
            self.set_state(role, NodeState::Suspect, reason);
        }
    }

    /// Sets its state, and logs it if it changed.
    pub(super) fn set_state(&self, role: NodeRole, state: NodeState, reason: String) {
        let logged = reason.clone();
        if !self.health.set(role, state, reason) {
            return;
        }
        let name = &self.name;
        match state {
            NodeState::Up => {
                tracing::info!(target: "tallybook::routing", node = name, %role, "up");
            }
            _ => {
                tracing::warn!(target: "tallybook::routing", node = name, %role, %state, reason = logged, "not up");
            }
        }
    }

    /// Counts a read that failed here and moves to another node.
    pub(super) fn count_fallback(&self) {
        self.fallbacks.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns its pools, the writer's first.
    pub(super) fn pools(&self) -> impl Iterator<Item = &Pool> {
        let readers = matches!(self.connector, Connector::Sqlite(_)).then_some(&self.reads);
        [&self.writes].into_iter().chain(readers)
    }

    /// Closes its pools, the writer's last. The last connection of an SQLite file moves the log into it; two
    /// that close at the same time would each leave that to the other.
    pub(super) async fn close(&self, deadline: AcquireDeadline) {
        self.pools().for_each(Pool::begin_close);
        for pool in self.pools().collect::<Vec<_>>().into_iter().rev() {
            pool.close(deadline).await;
        }
    }

    /// Closes the idle connections of its pools.
    pub(super) async fn close_idle(&self) {
        for pool in self.pools() {
            pool.close_idle().await;
        }
    }

    /// Returns why the node is not up, or what is unusual about it.
    fn reason(&self, known: &Known, role: NodeRole) -> String {
        let unwatched = match &*known.unwatched {
            "" => String::new(),
            problem => format!("no connection of its own to probe it: {problem}"),
        };
        let is_lone_standby = self.is_alone && role == NodeRole::Replica;
        let standby = if is_lone_standby { "it is a standby and takes no writes" } else { "" };
        let long_log = self.reads.long_log(self.connector.log_size()).unwrap_or_default();
        let reasons = [known.reason.as_str(), &unwatched, standby, &long_log];
        reasons.into_iter().filter(|reason| !reason.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// Returns its status. `last` is the latest position of the primary.
    pub(super) fn status(&self, last: Option<u64>) -> NodeStatus {
        let now = Instant::now();
        let known = self.health.known();
        let Known { role, observation, latency, since, .. } = *known;
        let log_bytes = self.connector.log_size();
        let fault = self.connector.fault();
        let state = if fault.is_some() { NodeState::Down } else { known.state };
        let replayed = observation.filter(|observation| observation.standby && state != NodeState::Down);
        // A URL with several servers behind one node is not probed, but each new connection reports its role.
        let is_asked = !self.is_alone || self.connector.leads_to_one_server();
        let role = if is_asked { role } else { NodeRole::from_standby(self.writes.identity().standby) };
        let is_replica = role == NodeRole::Replica;
        NodeStatus {
            name: self.name.clone(),
            role,
            state,
            reason: fault.unwrap_or_else(|| self.reason(&known, role)),
            since: now.saturating_duration_since(since),
            lag_bytes: replayed.and_then(|replayed| Some(last?.saturating_sub(replayed.lsn))),
            lag: self
                .health
                .covered()
                .filter(|_| is_replica)
                .map(|covered| now.saturating_duration_since(covered)),
            timeline: observation.map(|observation| observation.timeline),
            position: observation.map(|observation| observation.lsn),
            log_bytes,
            latency,
            served: self.served.load(Ordering::Relaxed),
            fallbacks: self.fallbacks.load(Ordering::Relaxed),
            in_flight: self.pools().map(Pool::load).sum(),
            weight: self.weight,
            zone: self.zone.clone(),
        }
    }
}

/// SQLite allows one writer.
fn one_connection(settings: &PoolSettings) -> PoolSettings {
    PoolSettings { size: 1, max_overflow: 0, ..settings.clone() }
}
