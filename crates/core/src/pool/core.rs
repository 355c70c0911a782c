//! The pool and its shared state.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tallybook_sql::driver::Role;
use tallybook_sql::error::Result;
use tallybook_sql::lock::lock;
use tallybook_sql::replication::Identity;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout_at;

use super::close_reason::CloseReason;
use super::slots::Slots;
use super::stats::Stats;
use super::{AcquireDeadline, PoolMetrics, PoolStatus};
use crate::driver::{Connection, Connector};
use crate::observe::{Event, Log};
use crate::settings::PoolSettings;

/// A pool of connections to one database in one role. Clones share it.
#[derive(Clone)]
pub(crate) struct Pool(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) connector: Connector,
    pub(super) role: Role,
    pub(super) settings: PoolSettings,
    pub(super) log: Log,
    pub(super) runtime: Handle,
    pub(super) permits: Arc<Semaphore>,
    pub(super) waiting: AtomicUsize,
    /// Callers waiting for a slow connect. They are notified when a connection is released.
    pub(super) connecting: AtomicUsize,
    pub(super) returned: Notify,
    /// Closing: only callers already queued are still served.
    pub(super) closing: AtomicBool,
    pub(super) stats: Stats,
    /// Incremented when a connection is lost. Older connections are pinged before their next use.
    pub(super) generation: AtomicU64,
    slots: Mutex<Slots>,
    last_failure: Mutex<Option<(Instant, String)>>,
}

impl Pool {
    /// Creates a pool without connections. Must be called on a Tokio runtime, on which abandoned connections
    /// are cleaned.
    pub(crate) fn new(
        name: impl Into<Arc<str>>,
        connector: Connector,
        role: Role,
        settings: PoolSettings,
        log: Log,
    ) -> Self {
        let limit = settings.size + settings.max_overflow;
        let shared = Arc::new(Shared {
            name: name.into(),
            connector,
            role,
            settings,
            log,
            runtime: Handle::current(),
            permits: Arc::new(Semaphore::new(limit)),
            waiting: AtomicUsize::new(0),
            connecting: AtomicUsize::new(0),
            returned: Notify::new(),
            closing: AtomicBool::new(false),
            stats: Stats::new(),
            generation: AtomicU64::new(0),
            slots: Mutex::new(Slots::default()),
            last_failure: Mutex::new(None),
        });
        Self(shared)
    }

    /// Refuses new callers. Those already queued are still served.
    pub(crate) fn begin_close(&self) {
        self.0.closing.store(true, Ordering::Release);
    }

    /// Waits for the connections in use, at most until the deadline, then closes all idle ones.
    pub(crate) async fn close(&self, deadline: AcquireDeadline) {
        let shared = &self.0;
        self.begin_close();
        let all = shared.permits.acquire_many(shared.limit() as u32);
        let all = timeout_at(deadline.end().into(), all).await;
        // Closed while all permits are held, so that no queued caller gets one.
        shared.permits.close();
        drop(all);
        let idle = shared.slots().take_idle();
        for idle in idle {
            idle.connection.close().await;
            shared.record_closed(CloseReason::PoolClosed);
        }
    }

    /// Closes all idle connections. The pool stays open and reconnects on demand.
    pub(crate) async fn close_idle(&self) {
        let idle = self.0.slots().take_idle();
        for idle in idle {
            idle.connection.close().await;
            self.0.record_closed(CloseReason::PoolClosed);
        }
    }

    /// Opens a connection that does not count towards the size of the pool.
    pub(crate) async fn connect(&self, role: Role, deadline: AcquireDeadline) -> Result<Connection> {
        Ok(*self.0.connect(role, deadline).await?.connection)
    }

    pub(crate) fn status(&self) -> PoolStatus {
        self.0.status()
    }

    /// Returns the connections in use plus the callers waiting for one.
    pub(crate) fn load(&self) -> usize {
        let shared = &self.0;
        shared.limit() - shared.permits.available_permits() + shared.waiting.load(Ordering::Relaxed)
    }

    /// Returns the identity of the server at the most recent connect.
    pub(crate) fn identity(&self) -> Identity {
        self.0.slots().identity
    }

    /// Returns the age of the longest session.
    pub(crate) fn longest_held(&self) -> Option<Duration> {
        self.0.slots().longest_session().map(|session| session.held)
    }

    /// Returns the connections in use or idle.
    pub(crate) fn size(&self) -> usize {
        let in_use = self.0.limit() - self.0.permits.available_permits();
        in_use + self.0.slots().idle_len()
    }

    /// Aborts every connection to the server, idle or in use, and every connect in progress.
    pub(crate) fn abort_connections(&self) {
        self.0.generation.fetch_add(1, Ordering::AcqRel);
        self.0.connector.abort();
    }

    pub(crate) fn figures(&self) -> PoolMetrics {
        let Stats { wait, connect, hold, .. } = &self.0.stats;
        PoolMetrics {
            status: self.status(),
            kept: self.0.settings.size,
            wait: wait.counts(),
            connect: connect.counts(),
            hold: hold.counts(),
        }
    }
}

impl Shared {
    pub(super) fn limit(&self) -> usize {
        self.settings.size + self.settings.max_overflow
    }

    pub(super) fn slots(&self) -> MutexGuard<'_, Slots> {
        lock(&self.slots)
    }

    pub(super) fn record_closed(&self, reason: CloseReason) {
        self.stats.closed(reason);
        self.log.on(&Event::Closed { pool: &self.name, reason: reason.as_str() });
    }

    /// Remembers the latest failure to connect, for later timeout messages.
    pub(super) fn record_failure(&self, why: String) {
        *lock(&self.last_failure) = Some((Instant::now(), why));
    }

    pub(super) fn status(&self) -> PoolStatus {
        let limit = self.limit();
        let in_use = limit - self.permits.available_permits();
        let (idle, longest, encrypted) = {
            let slots = self.slots();
            (slots.idle_len(), slots.longest_session(), slots.encrypted)
        };
        PoolStatus {
            name: Arc::clone(&self.name),
            limit,
            in_use,
            idle,
            overflow: (in_use + idle).saturating_sub(self.settings.size),
            waiting: self.waiting.load(Ordering::Relaxed),
            encrypted,
            longest,
            last_failure: lock(&self.last_failure).clone(),
            totals: self.stats.totals(),
        }
    }
}
