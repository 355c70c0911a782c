//! The pool itself.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout_at;

use super::inventory::Inventory;
use super::stats::{CloseReason, Stats};
use super::{AcquireDeadline, PoolFigures, PoolStatus};
use crate::driver::{Connection, Connector, Identity, Role};
use crate::error::Result;
use crate::observe::{Event, Log};
use crate::settings::PoolSettings;

/// A pool of connections to one database in one role. Cloning shares it.
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
    /// Who waits for a connect that takes long, and is told when a connection comes back.
    pub(super) connecting: AtomicUsize,
    pub(super) returned: Notify,
    /// Nothing is lent any more, except to who waits already.
    pub(super) closing: AtomicBool,
    pub(super) stats: Stats,
    /// Goes up when a connection was lost: what is older is checked before it is used again.
    pub(super) generation: AtomicU64,
    inventory: Mutex<Inventory>,
    last_failure: Mutex<Option<(Instant, String)>>,
}

impl Pool {
    /// A pool without connections yet. Must be called on a Tokio runtime, which later cleans what is
    /// abandoned.
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
            inventory: Mutex::new(Inventory::default()),
            last_failure: Mutex::new(None),
        });
        Self(shared)
    }

    /// Stops lending, except to who waits already.
    pub(crate) fn stop_lending(&self) {
        self.0.closing.store(true, Ordering::Release);
    }

    /// Waits for what is lent, at most until the deadline, and closes what is at rest.
    pub(crate) async fn close(&self, deadline: AcquireDeadline) {
        let shared = &self.0;
        self.stop_lending();
        let all = shared.permits.acquire_many(shared.limit() as u32);
        let all = timeout_at(deadline.end().into(), all).await;
        // While all are held, so that none goes to who waits behind this.
        shared.permits.close();
        drop(all);
        let idle = shared.inventory().take_idle();
        for idle in idle {
            idle.connection.close().await;
            shared.closed(CloseReason::PoolClosed);
        }
    }

    /// Closes what is at rest. The pool goes on, and connects again where it is asked to.
    pub(crate) async fn close_idle(&self) {
        let idle = self.0.inventory().take_idle();
        for idle in idle {
            idle.connection.close().await;
            self.0.closed(CloseReason::PoolClosed);
        }
    }

    /// A connection apart from those that the pool counts.
    pub(crate) async fn connect(&self, role: Role, deadline: AcquireDeadline) -> Result<Connection> {
        Ok(*self.0.connect(role, deadline).await?.connection)
    }

    pub(crate) fn status(&self) -> PoolStatus {
        self.0.status()
    }

    /// Connections lent and callers waiting for one.
    pub(crate) fn load(&self) -> usize {
        let shared = &self.0;
        shared.limit() - shared.permits.available_permits() + shared.waiting.load(Ordering::Relaxed)
    }

    /// Who was at the other end of the connection that was made last.
    pub(crate) fn identity(&self) -> Identity {
        self.0.inventory().identity
    }

    /// How long the session is held that is held longest.
    pub(crate) fn longest_held(&self) -> Option<Duration> {
        self.0.inventory().longest_loan().map(|loan| loan.held)
    }

    /// Connections lent or at rest.
    pub(crate) fn size(&self) -> usize {
        let in_use = self.0.limit() - self.0.permits.available_permits();
        in_use + self.0.inventory().idle_len()
    }

    /// Ends every connection to the server, at rest or not, and every attempt to make one.
    pub(crate) fn cut(&self) {
        self.0.generation.fetch_add(1, Ordering::AcqRel);
        self.0.connector.cut();
    }

    pub(crate) fn figures(&self) -> PoolFigures {
        let Stats { wait, connect, hold, .. } = &self.0.stats;
        PoolFigures {
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

    pub(super) fn inventory(&self) -> MutexGuard<'_, Inventory> {
        self.inventory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn closed(&self, reason: CloseReason) {
        self.stats.closed(reason);
        self.log.on(&Event::Closed { pool: &self.name, reason: reason.as_str() });
    }

    /// Remembers why an attempt to connect failed, for those who time out later.
    pub(super) fn failed(&self, why: String) {
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), why));
    }

    pub(super) fn status(&self) -> PoolStatus {
        let limit = self.limit();
        let in_use = limit - self.permits.available_permits();
        let (idle, longest, encrypted) = {
            let inventory = self.inventory();
            (inventory.idle_len(), inventory.longest_loan(), inventory.encrypted)
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
            last_failure: self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            totals: self.stats.totals(),
        }
    }
}
