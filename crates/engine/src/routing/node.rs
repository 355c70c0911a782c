//! One server, or one file, with its pools.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Instant;

use tokio::sync::Notify;

use super::acknowledged::Acknowledged;
use super::health::{Health, Known};
use super::layout::Planned;
use super::lease::Lease;
use super::prober::role as role_of;
use super::status::{NodeRole, NodeState, NodeStatus};
use crate::driver::{Connector, Role};
use crate::error::{Error, Kind, Result};
use crate::observe::Log;
use crate::pool::{AcquireDeadline, Checkout, Pool};
use crate::settings::{Engine, PoolSettings, Settings};

pub(super) struct Node {
    pub(super) name: String,
    pub(super) is_candidate: bool,
    /// There is no other one.
    is_alone: bool,
    pub(super) weight: u32,
    pub(super) zone: Option<String>,
    pub(super) connector: Connector,
    /// The same as `writes`, but for SQLite, which has one writer.
    pub(super) reads: Pool,
    pub(super) writes: Pool,
    pub(super) health: Health,
    /// Told when it is given up.
    fell: Notify,
    /// Told when it should be asked at once.
    pub(super) prod: Arc<Notify>,
    served: AtomicU64,
    fallbacks: AtomicU64,
    /// Transactions that it acknowledged.
    pub(super) acknowledged: Acknowledged,
}

impl Node {
    pub(super) fn new(
        planned: Planned,
        settings: &Settings,
        log: &Log,
        epoch: Instant,
        is_alone: bool,
    ) -> Self {
        let Planned { name, target, is_candidate, weight, zone } = planned;
        let connector = Connector::new(&target, settings.file_access());
        let pool = |name: &str, role, pool_settings| {
            Pool::new(name, connector.clone(), role, pool_settings, log.clone()).watch_leaks()
        };
        let (reads, writes) = match settings.database_url.engine() {
            Engine::Postgres => {
                let pool = pool(&name, Role::Write, settings.pool.clone());
                (pool.clone(), pool)
            }
            Engine::Sqlite => (
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
            fell: Notify::new(),
            prod: Arc::new(Notify::new()),
            served: AtomicU64::new(0),
            fallbacks: AtomicU64::new(0),
            acknowledged: Acknowledged::default(),
        }
    }

    /// A connection to read with; an error as soon as the node is given up.
    pub(super) async fn lend(
        &self,
        number: usize,
        holder: &'static Location<'static>,
        deadline: AcquireDeadline,
    ) -> Result<Lease> {
        self.lend_from(&self.reads, number, holder, deadline).await
    }

    /// The same, to write with.
    pub(super) async fn lend_writer(
        &self,
        number: usize,
        holder: &'static Location<'static>,
        deadline: AcquireDeadline,
    ) -> Result<Lease> {
        self.lend_from(&self.writes, number, holder, deadline).await
    }

    async fn lend_from(
        &self,
        pool: &Pool,
        number: usize,
        holder: &'static Location<'static>,
        deadline: AcquireDeadline,
    ) -> Result<Lease> {
        let mut checkout = pin!(pool.checkout(holder, deadline));
        let checkout = match poll_fn(|context| Poll::Ready(checkout.as_mut().poll(context))).await {
            Poll::Ready(checkout) => checkout?,
            Poll::Pending => self.unless_it_falls(checkout).await?,
        };
        self.served.fetch_add(1, Ordering::Relaxed);
        Ok(Lease::new(checkout, number))
    }

    async fn unless_it_falls(&self, checkout: impl Future<Output = Result<Checkout>>) -> Result<Checkout> {
        let mut fell = pin!(self.fell.notified());
        fell.as_mut().enable();
        // It may have fallen before anybody listened. Where there is no other node, it is tried again and again.
        if self.health.is_down() && !self.is_alone {
            return Err(self.lost());
        }
        tokio::select! {
            biased;
            checkout = checkout => checkout,
            () = fell => Err(self.lost()),
        }
    }

    fn lost(&self) -> Error {
        Error::new(Kind::Lost).at_server(&self.connector.target().into())
    }

    /// Gives it up: whoever waits for it, for a connection or for an answer, is told at once.
    pub(super) fn fall(&self) {
        self.writes.cut();
        self.fell.notify_waiters();
    }

    /// Notes that a read failed on it and goes elsewhere.
    pub(super) fn fell_back(&self) {
        self.fallbacks.fetch_add(1, Ordering::Relaxed);
    }

    /// Its pools; SQLite has one for its writer.
    pub(super) fn pools(&self) -> impl Iterator<Item = &Pool> {
        let readers = matches!(self.connector, Connector::Sqlite(_)).then_some(&self.reads);
        [&self.writes].into_iter().chain(readers)
    }

    /// Closes its pools, the writer's last: whoever closes an SQLite file last moves its log into it, and two that
    /// close at the same time each take the other for the last.
    pub(super) async fn close(&self, deadline: AcquireDeadline) {
        self.pools().for_each(Pool::stop_lending);
        for pool in self.pools().collect::<Vec<_>>().into_iter().rev() {
            pool.close(deadline).await;
        }
    }

    /// Closes the connections of its pools that are at rest.
    pub(super) async fn close_idle(&self) {
        for pool in self.pools() {
            pool.close_idle().await;
        }
    }

    /// Why it is not up, and what is odd about it.
    fn reason(&self, known: &Known, role: NodeRole) -> String {
        let unwatched = match &*known.unwatched {
            "" => String::new(),
            problem => format!("no connection to watch it by: {problem}"),
        };
        let is_lone_standby = self.is_alone && role == NodeRole::Replica;
        let standby = if is_lone_standby { "it is a standby: it takes no writes" } else { "" };
        let long_log = self.reads.long_log(self.connector.log_size()).unwrap_or_default();
        let reasons = [known.reason.as_str(), &unwatched, standby, &long_log];
        reasons.into_iter().filter(|reason| !reason.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// `last` is the newest position of the primary.
    pub(super) fn status(&self, last: Option<u64>) -> NodeStatus {
        let now = Instant::now();
        let known = self.health.known();
        let Known { role, observation, latency, since, .. } = *known;
        let log_bytes = self.connector.log_size();
        let fault = self.connector.fault();
        let state = if fault.is_some() { NodeState::Down } else { known.state };
        let replayed = observation.filter(|observation| observation.standby && state != NodeState::Down);
        // Nobody asks one of several servers behind the only node, but each new connection tells what it is.
        let is_asked = !self.is_alone || self.connector.leads_to_one_server();
        let role = if is_asked { role } else { role_of(self.writes.identity().standby) };
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

/// SQLite has one writer.
fn one_connection(settings: &PoolSettings) -> PoolSettings {
    PoolSettings { size: 1, max_overflow: 0, ..settings.clone() }
}
