//! Acquiring a connection: queue, check, connect.

use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tallybook_sql::driver::Role;
use tallybook_sql::error::{AcquireStep, Error, ErrorDetail, Result};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{timeout, timeout_at};

use super::close_reason::CloseReason;
use super::core::{Pool, Shared};
use super::slots::{Idle, OpenConnection};
use super::{AcquireDeadline, PoolStatus, PooledConnection, Waiting};
use crate::driver::Connection;
use crate::observe::Event;
use crate::random::jittered;

/// A connection used within this time is not pinged, so that a hot acquire makes no round trip.
const ALIVE_BYPASS: Duration = Duration::from_millis(500);
/// Time limit of a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections are recycled up to this fraction of their age earlier, so that they do not all expire at once.
const RECYCLE_JITTER: f64 = 0.05;
/// A connect that takes longer may hang. From then on the caller also takes a connection that is released
/// meanwhile.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);

impl Pool {
    /// Acquires a connection: an idle one that is usable, else a new one. `caller` is the line of code that
    /// asked.
    ///
    /// # Errors
    /// A timeout that names the step, a full queue, or a failure to connect.
    pub(crate) async fn acquire(
        &self,
        caller: &'static Location<'static>,
        deadline: AcquireDeadline,
    ) -> Result<PooledConnection> {
        let shared = &self.0;
        let (permit, now) = shared.permit(deadline).await?;
        let pooled = match shared.acquire_hot(caller, now) {
            Some((opened, slot)) => PooledConnection::new(Arc::clone(shared), opened, permit, slot, now),
            None => self.acquire_slow(caller, permit, deadline).await?,
        };
        let pooled = pooled.waited_from(deadline.start());
        shared.stats.wait.record_time(pooled.waited());
        shared.log.on(&Event::CheckedOut { pool: &shared.name, waited: pooled.waited() });
        Ok(pooled)
    }

    /// Acquires an idle connection that is known to be usable, or returns `None` instead of waiting or
    /// connecting.
    pub(crate) fn try_acquire(&self, caller: &'static Location<'static>) -> Option<PooledConnection> {
        let shared = &self.0;
        if shared.closing.load(Ordering::Acquire) {
            return None;
        }
        let permit = Arc::clone(&shared.permits).try_acquire_owned().ok()?;
        let now = Instant::now();
        let (opened, slot) = shared.acquire_hot(caller, now)?;
        Some(PooledConnection::new(Arc::clone(shared), opened, permit, slot, now))
    }

    /// Acquires the most recently used idle connection without checking it. Probes use it.
    pub(crate) fn try_acquire_unchecked(
        &self,
        caller: &'static Location<'static>,
    ) -> Option<PooledConnection> {
        let shared = &self.0;
        let permit = Arc::clone(&shared.permits).try_acquire_owned().ok()?;
        let now = Instant::now();
        let mut slots = shared.slots();
        let opened = slots.pop()?.opened;
        let slot = slots.acquire(caller, now);
        drop(slots);
        Some(PooledConnection::new(Arc::clone(shared), opened, permit, slot, now))
    }

    /// Checks idle connections or opens a new one, in a spawned task: if the caller gives up, the next caller
    /// gets the result.
    async fn acquire_slow(
        &self,
        caller: &'static Location<'static>,
        permit: OwnedSemaphorePermit,
        deadline: AcquireDeadline,
    ) -> Result<PooledConnection> {
        let shared = Arc::clone(&self.0);
        let task = self.0.runtime.spawn(async move {
            let opened = match shared.checked_idle(deadline).await? {
                Some(opened) => opened,
                None => shared.connect_or_wait(deadline).await?,
            };
            let now = Instant::now();
            let slot = shared.slots().acquire(caller, now);
            Ok(PooledConnection::new(shared, opened, permit, slot, now))
        });
        task.await.unwrap_or_else(|_| Err(Error::new(ErrorDetail::Closed)))
    }
}

impl Shared {
    /// Takes a permit, now or in turn, and returns it with the time. Reading the clock is a large part of a
    /// hot acquire, so it is read again only after a wait.
    async fn permit(&self, deadline: AcquireDeadline) -> Result<(OwnedSemaphorePermit, Instant)> {
        if self.closing.load(Ordering::Acquire) {
            return Err(Error::new(ErrorDetail::Closed));
        }
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok((permit, deadline.start()));
        }
        let waiting = Waiting::new(&self.waiting);
        if waiting.position > self.settings.max_waiting {
            self.stats.refused();
            return Err(Error::new(ErrorDetail::QueueFull { detail: self.status().describe() }));
        }
        let acquire = Arc::clone(&self.permits).acquire_owned();
        match timeout_at(deadline.end().into(), acquire).await {
            Ok(Ok(permit)) => Ok((permit, Instant::now())),
            Ok(Err(_)) => Err(Error::new(ErrorDetail::Closed)),
            Err(_) => Err(self.timed_out(AcquireStep::Waiting, deadline)),
        }
    }

    /// Takes the top of the stack if it is usable without a ping, and registers it as in use.
    fn acquire_hot(
        &self,
        caller: &'static Location<'static>,
        now: Instant,
    ) -> Option<(OpenConnection, usize)> {
        let mut slots = self.slots();
        let idle = slots.pop()?;
        if self.unusable_reason(&idle, now).is_none() && !self.needs_ping(&idle, now) {
            let slot = slots.acquire(caller, now);
            return Some((idle.opened, slot));
        }
        let Idle { opened, since } = idle;
        slots.push(opened, since);
        None
    }

    /// Returns the most recently used idle connection that is open, young enough and answers.
    async fn checked_idle(&self, deadline: AcquireDeadline) -> Result<Option<OpenConnection>> {
        loop {
            let Some(mut idle) = self.slots().pop() else { return Ok(None) };
            let now = Instant::now();
            if let Some(reason) = self.unusable_reason(&idle, now) {
                self.discard(idle.opened, reason);
                continue;
            }
            let generation = self.generation.load(Ordering::Acquire);
            if self.needs_ping(&idle, now) {
                let answer = self.is_alive(&mut idle.opened.connection, deadline).await;
                if !matches!(answer, Ok(true)) {
                    self.discard(idle.opened, CloseReason::PingFailed);
                    answer?;
                    continue;
                }
                idle.opened.generation = generation;
            }
            return Ok(Some(idle.opened));
        }
    }

    fn unusable_reason(&self, idle: &Idle, now: Instant) -> Option<CloseReason> {
        if idle.opened.connection.is_closed() {
            return Some(CloseReason::Lost);
        }
        idle.opened.expires.is_some_and(|expires| expires <= now).then_some(CloseReason::Recycled)
    }

    /// Returns whether the connection was idle for a while, or another one was lost since this one last
    /// answered.
    fn needs_ping(&self, idle: &Idle, now: Instant) -> bool {
        let suspect = idle.opened.generation != self.generation.load(Ordering::Acquire);
        suspect || (self.settings.pre_ping && now.saturating_duration_since(idle.since) >= ALIVE_BYPASS)
    }

    /// Pings the connection. Fails if the caller's deadline passes first.
    async fn is_alive(&self, connection: &mut Connection, deadline: AcquireDeadline) -> Result<bool> {
        let end = deadline.connect_end();
        let limit = end.min(Instant::now() + PING_TIMEOUT);
        match timeout_at(limit.into(), connection.ping()).await {
            Ok(answer) => Ok(answer.is_ok()),
            Err(_) if limit < end => Ok(false),
            Err(_) => Err(self.timed_out(AcquireStep::Pinging, deadline)),
        }
    }

    /// Opens a connection. If that takes long, returns a released one if it comes first.
    async fn connect_or_wait(&self, deadline: AcquireDeadline) -> Result<OpenConnection> {
        let mut connect = pin!(self.connect(self.role, deadline));
        if let Ok(connected) = timeout(CONNECT_PATIENCE, &mut connect).await {
            return connected;
        }
        let _counted = Waiting::new(&self.connecting);
        loop {
            let mut returned = pin!(self.returned.notified());
            returned.as_mut().enable();
            if let Some(opened) = self.checked_idle(deadline).await? {
                return Ok(opened);
            }
            tokio::select! {
                biased;
                connected = &mut connect => return connected,
                () = returned => {}
            }
        }
    }

    pub(super) async fn connect(&self, role: Role, deadline: AcquireDeadline) -> Result<OpenConnection> {
        let start = Instant::now();
        let generation = self.generation.load(Ordering::Acquire);
        let connection = match timeout_at(deadline.connect_end().into(), self.connector.connect(role)).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                self.record_failure(error.to_string());
                return Err(error);
            }
            Err(_) => {
                // Built before `record_failure`, because the text mentions the previous failure.
                let error = self.timed_out(AcquireStep::Connecting, deadline);
                self.record_failure(format!("no answer within {:.1} s", start.elapsed().as_secs_f64()));
                return Err(error);
            }
        };
        {
            let mut slots = self.slots();
            (slots.encrypted, slots.identity) = (connection.is_encrypted(), connection.identity());
        }
        self.stats.connected(start.elapsed());
        self.log.on(&Event::Connected { pool: &self.name, took: start.elapsed() });
        let age = self.settings.recycle.map(|age| jittered(age, 1.0 - RECYCLE_JITTER..1.0));
        Ok(OpenConnection {
            connection: Box::new(connection),
            // `None` if the age is beyond the range of the clock.
            expires: age.and_then(|age| Instant::now().checked_add(age)),
            generation,
        })
    }

    /// Returns the timeout error, with the state of the pool.
    fn timed_out(&self, step: AcquireStep, deadline: AcquireDeadline) -> Error {
        self.stats.timed_out(step);
        let target = match step {
            AcquireStep::Waiting => String::new(),
            AcquireStep::Connecting | AcquireStep::Pinging => format!("to {}; ", self.connector.target()),
        };
        let detail = format!("{target}{}", PoolStatus::describe(&self.status()));
        Error::new(ErrorDetail::Timeout { step, after: deadline.timeout(), detail })
    }
}
