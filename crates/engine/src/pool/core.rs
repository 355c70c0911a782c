//! The pool itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{timeout, timeout_at};

use super::{Checkout, PoolStatus};
use crate::driver::{Connection, Connector, Role};
use crate::error::{Error, Kind, Result, Step};
use crate::observe::{Event, Log};
use crate::settings::PoolSettings;

/// A connection used this recently is not pinged: a hot check-out makes no round trip.
const ALIVE_BYPASS: Duration = Duration::from_millis(500);
/// How long a ping may take.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// A pool of connections to one database in one role. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Shared>);

pub(super) struct Shared {
    name: &'static str,
    connector: Connector,
    role: Role,
    settings: PoolSettings,
    log: Log,
    runtime: Handle,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    born: Instant,
    used: Instant,
}

/// An open connection and when it was opened.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) born: Instant,
}

impl Pool {
    /// A pool without connections yet. Must be called on a Tokio runtime, which later cleans what is
    /// abandoned.
    pub(crate) fn new(
        name: &'static str,
        connector: Connector,
        role: Role,
        settings: PoolSettings,
        log: Log,
    ) -> Self {
        let limit = settings.size + settings.max_overflow;
        Self(Arc::new(Shared {
            name,
            connector,
            role,
            settings,
            log,
            runtime: Handle::current(),
            permits: Arc::new(Semaphore::new(limit)),
            waiting: AtomicUsize::new(0),
            idle: Mutex::new(Vec::new()),
        }))
    }

    /// Lends a connection: one at rest that is fit, else a new one.
    ///
    /// # Errors
    /// A time-out that names the step, or that no connection could be made.
    pub(crate) async fn checkout(&self) -> Result<Checkout> {
        let shared = &self.0;
        let start = Instant::now();
        let deadline = start + shared.settings.timeout;
        let permit = shared.permit(deadline).await?;
        let opened = match shared.fit_idle(deadline).await? {
            Some(opened) => opened,
            None => shared.connect(deadline).await?,
        };
        shared.log.on(&Event::CheckedOut { pool: shared.name, waited: start.elapsed() });
        Ok(Checkout::new(Arc::clone(shared), opened, permit))
    }

    /// Waits for what is lent, at most as long as a caller would wait for a connection, lends no more, and
    /// closes what is at rest.
    pub(crate) async fn close(&self) {
        let shared = &self.0;
        let _ = timeout(shared.settings.timeout, shared.permits.acquire_many(shared.limit() as u32)).await;
        shared.permits.close();
        let idle = std::mem::take(&mut *shared.idle());
        for idle in idle {
            idle.connection.close().await;
            shared.closed("pool closed");
        }
    }

    /// A connection apart from those that the pool counts.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        let deadline = Instant::now() + self.0.settings.timeout;
        Ok(self.0.connect(deadline).await?.connection)
    }

    pub(crate) fn status(&self) -> PoolStatus {
        self.0.status()
    }
}

impl Shared {
    async fn permit(&self, deadline: Instant) -> Result<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::new(&self.waiting);
        let acquire = Arc::clone(&self.permits).acquire_owned();
        match timeout_at(deadline.into(), acquire).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(Error::new(Kind::Closed)),
            Err(_) => Err(self.timed_out(Step::Waiting, "")),
        }
    }

    /// The most recently used connection that is neither gone, too old nor silent.
    async fn fit_idle(&self, deadline: Instant) -> Result<Option<Opened>> {
        loop {
            let Some(mut idle) = self.idle().pop() else { return Ok(None) };
            if idle.connection.is_closed() {
                self.closed("lost while idle");
            } else if self.is_old(idle.born) {
                self.closed("recycled");
            } else if self.needs_ping(idle.used) && !self.answers(&mut idle.connection, deadline).await? {
                self.closed("ping failed");
            } else {
                return Ok(Some(Opened { connection: idle.connection, born: idle.born }));
            }
        }
    }

    fn limit(&self) -> usize {
        self.settings.size + self.settings.max_overflow
    }

    fn is_old(&self, born: Instant) -> bool {
        self.settings.recycle.is_some_and(|age| born.elapsed() >= age)
    }

    fn needs_ping(&self, used: Instant) -> bool {
        self.settings.pre_ping && used.elapsed() >= ALIVE_BYPASS
    }

    /// Whether the connection answers; an error if the time of the caller ends first.
    async fn answers(&self, connection: &mut Connection, deadline: Instant) -> Result<bool> {
        let limit = deadline.min(Instant::now() + PING_TIMEOUT);
        match timeout_at(limit.into(), connection.ping()).await {
            Ok(answer) => Ok(answer.is_ok()),
            Err(_) if limit < deadline => Ok(false),
            Err(_) => Err(self.timed_out(Step::Pinging, &format!("to {}; ", self.connector.target()))),
        }
    }

    async fn connect(&self, deadline: Instant) -> Result<Opened> {
        let start = Instant::now();
        match timeout_at(deadline.into(), self.connector.connect(self.role)).await {
            Ok(connection) => {
                let connection = connection?;
                self.log.on(&Event::Connected { pool: self.name, took: start.elapsed() });
                Ok(Opened { connection, born: Instant::now() })
            }
            Err(_) => Err(self.timed_out(Step::Connecting, &format!("to {}; ", self.connector.target()))),
        }
    }

    fn timed_out(&self, step: Step, context: &str) -> Error {
        let PoolStatus { in_use, idle, waiting, limit, .. } = self.status();
        Error::new(Kind::Timeout {
            step,
            after: self.settings.timeout,
            detail: format!(
                "{context}{in_use} of {limit} {} connections in use, {idle} idle, {waiting} waiting",
                self.name
            ),
        })
    }

    /// Takes a connection back. One that is clean is kept or closed; one that is not is cleaned first, away
    /// from the caller, and counts as in use until then.
    pub(super) fn give_back(self: Arc<Self>, opened: Opened, permit: OwnedSemaphorePermit, held: Duration) {
        self.log.on(&Event::Returned { pool: self.name, held });
        if opened.connection.is_clean() {
            self.keep(opened);
            drop(permit);
            return;
        }
        let runtime = self.runtime.clone();
        runtime.spawn(async move {
            let mut opened = opened;
            match opened.connection.clean().await {
                Ok(()) => self.keep(opened),
                Err(_) => self.closed("could not be cleaned"),
            }
            drop(permit);
        });
    }

    fn keep(&self, opened: Opened) {
        let Opened { connection, born } = opened;
        if connection.is_closed() {
            self.closed("lost in use");
            return;
        }
        let mut idle = self.idle();
        if idle.len() < self.settings.size {
            idle.push(Idle { connection, born, used: Instant::now() });
        } else {
            drop(idle);
            self.closed("overflow");
        }
    }

    fn closed(&self, reason: &'static str) {
        self.log.on(&Event::Closed { pool: self.name, reason });
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self) -> PoolStatus {
        let limit = self.limit();
        PoolStatus {
            name: self.name,
            limit,
            in_use: limit - self.permits.available_permits(),
            idle: self.idle().len(),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }
}

/// Counts a waiter for as long as it waits, also when it gives up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
