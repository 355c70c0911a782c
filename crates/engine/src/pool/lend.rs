//! Lending: who waits, what is fit, what has to be made.

use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{timeout, timeout_at};

use super::core::{Pool, Shared};
use super::inventory::{Idle, Opened};
use super::stats::CloseReason;
use super::{AcquireDeadline, Checkout, PoolStatus, Waiting};
use crate::driver::{Connection, Role};
use crate::error::{Error, Kind, Result, Step};
use crate::observe::Event;
use crate::random::random;

/// A connection used this recently is not pinged: a hot check-out makes no round trip.
const ALIVE_BYPASS: Duration = Duration::from_millis(500);
/// How long a ping may take.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections are replaced up to this part of their age earlier, so that they don't all end at once.
const RECYCLE_JITTER: f64 = 0.05;
/// A connect that takes longer than this may hang: who waits for it takes a connection that comes back as well.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);

impl Pool {
    /// Lends a connection: one at rest that is fit, else a new one. `holder` is the line of code that asked.
    ///
    /// # Errors
    /// A time-out that names the step, a queue that is full, or that no connection could be made.
    pub(crate) async fn checkout(
        &self,
        holder: &'static Location<'static>,
        deadline: AcquireDeadline,
    ) -> Result<Checkout> {
        let shared = &self.0;
        let (permit, now) = shared.permit(deadline).await?;
        let checkout = match shared.hot(holder, now) {
            Some((opened, loan)) => Checkout::new(Arc::clone(shared), opened, permit, loan, now),
            None => self.warm_up(holder, permit, deadline).await?,
        };
        let checkout = checkout.waited_from(deadline.start());
        shared.stats.wait.record_time(checkout.waited());
        shared.log.on(&Event::CheckedOut { pool: &shared.name, waited: checkout.waited() });
        Ok(checkout)
    }

    /// Lends a connection that is at rest and known to be fit; none, rather than to wait or to connect.
    pub(crate) fn checkout_idle(&self, holder: &'static Location<'static>) -> Option<Checkout> {
        let shared = &self.0;
        if shared.closing.load(Ordering::Acquire) {
            return None;
        }
        let permit = Arc::clone(&shared.permits).try_acquire_owned().ok()?;
        let now = Instant::now();
        let (opened, loan) = shared.hot(holder, now)?;
        Some(Checkout::new(Arc::clone(shared), opened, permit, loan, now))
    }

    /// Lends the connection at rest that was used last, whether or not it is fit: for one who asks it.
    pub(crate) fn checkout_unchecked(&self, holder: &'static Location<'static>) -> Option<Checkout> {
        let shared = &self.0;
        let permit = Arc::clone(&shared.permits).try_acquire_owned().ok()?;
        let now = Instant::now();
        let mut inventory = shared.inventory();
        let opened = inventory.pop()?.opened;
        let loan = inventory.lend(holder, now);
        drop(inventory);
        Some(Checkout::new(Arc::clone(shared), opened, permit, loan, now))
    }

    /// Checks connections at rest or makes a new one, in a task of its own: if the caller gives up, what
    /// comes of it serves the next.
    async fn warm_up(
        &self,
        holder: &'static Location<'static>,
        permit: OwnedSemaphorePermit,
        deadline: AcquireDeadline,
    ) -> Result<Checkout> {
        let shared = Arc::clone(&self.0);
        let task = self.0.runtime.spawn(async move {
            let opened = match shared.fit_idle(deadline).await? {
                Some(opened) => opened,
                None => shared.connect_or_wait(deadline).await?,
            };
            let now = Instant::now();
            let loan = shared.inventory().lend(holder, now);
            Ok(Checkout::new(shared, opened, permit, loan, now))
        });
        task.await.unwrap_or_else(|_| Err(Error::new(Kind::Closed)))
    }
}

impl Shared {
    /// A permit to hold a connection, at once or in turn, and when it was given: reading the clock is a large
    /// part of what a hot check-out costs, so it is read again only after a wait.
    async fn permit(&self, deadline: AcquireDeadline) -> Result<(OwnedSemaphorePermit, Instant)> {
        if self.closing.load(Ordering::Acquire) {
            return Err(Error::new(Kind::Closed));
        }
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok((permit, deadline.start()));
        }
        let waiting = Waiting::new(&self.waiting);
        if waiting.place > self.settings.max_waiting {
            self.stats.refused();
            return Err(Error::new(Kind::QueueFull { detail: self.status().describe() }));
        }
        let acquire = Arc::clone(&self.permits).acquire_owned();
        match timeout_at(deadline.end().into(), acquire).await {
            Ok(Ok(permit)) => Ok((permit, Instant::now())),
            Ok(Err(_)) => Err(Error::new(Kind::Closed)),
            Err(_) => Err(self.timed_out(Step::Waiting, deadline)),
        }
    }

    /// The connection on top, if it is known to be fit without asking it; written down as lent.
    fn hot(&self, holder: &'static Location<'static>, now: Instant) -> Option<(Opened, usize)> {
        let mut inventory = self.inventory();
        let idle = inventory.pop()?;
        if self.unfit(&idle, now).is_none() && !self.needs_ping(&idle, now) {
            let loan = inventory.lend(holder, now);
            return Some((idle.opened, loan));
        }
        let Idle { opened, since } = idle;
        inventory.push(opened, since);
        None
    }

    /// The most recently used connection that is neither gone, too old nor silent.
    async fn fit_idle(&self, deadline: AcquireDeadline) -> Result<Option<Opened>> {
        loop {
            let Some(mut idle) = self.inventory().pop() else { return Ok(None) };
            let now = Instant::now();
            if let Some(reason) = self.unfit(&idle, now) {
                self.discard(idle.opened, reason);
                continue;
            }
            let generation = self.generation.load(Ordering::Acquire);
            if self.needs_ping(&idle, now) {
                let answer = self.answers(&mut idle.opened.connection, deadline).await;
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

    fn unfit(&self, idle: &Idle, now: Instant) -> Option<CloseReason> {
        if idle.opened.connection.is_closed() {
            return Some(CloseReason::Lost);
        }
        idle.opened.expires.is_some_and(|expires| expires <= now).then_some(CloseReason::Recycled)
    }

    /// Whether it was idle for a while, or another connection was lost since it was last known to be alive.
    fn needs_ping(&self, idle: &Idle, now: Instant) -> bool {
        let suspect = idle.opened.generation != self.generation.load(Ordering::Acquire);
        suspect || (self.settings.pre_ping && now.saturating_duration_since(idle.since) >= ALIVE_BYPASS)
    }

    /// Whether the connection answers; an error if the time of the caller ends first.
    async fn answers(&self, connection: &mut Connection, deadline: AcquireDeadline) -> Result<bool> {
        let end = deadline.end_of_connect();
        let limit = end.min(Instant::now() + PING_TIMEOUT);
        match timeout_at(limit.into(), connection.ping()).await {
            Ok(answer) => Ok(answer.is_ok()),
            Err(_) if limit < end => Ok(false),
            Err(_) => Err(self.timed_out(Step::Pinging, deadline)),
        }
    }

    /// A new connection; one that comes back, if that is earlier and to make one takes long.
    async fn connect_or_wait(&self, deadline: AcquireDeadline) -> Result<Opened> {
        let mut connect = pin!(self.connect(self.role, deadline));
        if let Ok(connected) = timeout(CONNECT_PATIENCE, &mut connect).await {
            return connected;
        }
        let _counted = Waiting::new(&self.connecting);
        loop {
            let mut returned = pin!(self.returned.notified());
            returned.as_mut().enable();
            if let Some(opened) = self.fit_idle(deadline).await? {
                return Ok(opened);
            }
            tokio::select! {
                biased;
                connected = &mut connect => return connected,
                () = returned => {}
            }
        }
    }

    pub(super) async fn connect(&self, role: Role, deadline: AcquireDeadline) -> Result<Opened> {
        let start = Instant::now();
        let generation = self.generation.load(Ordering::Acquire);
        let connection =
            match timeout_at(deadline.end_of_connect().into(), self.connector.connect(role)).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(error)) => {
                    self.failed(error.to_string());
                    return Err(error);
                }
                Err(_) => {
                    // Explained before it is remembered: the explanation tells of the failure before this one.
                    let error = self.timed_out(Step::Connecting, deadline);
                    self.failed(format!("no answer within {:.1} s", start.elapsed().as_secs_f64()));
                    return Err(error);
                }
            };
        {
            let mut inventory = self.inventory();
            (inventory.encrypted, inventory.identity) = (connection.is_encrypted(), connection.identity());
        }
        self.stats.connected(start.elapsed());
        self.log.on(&Event::Connected { pool: &self.name, took: start.elapsed() });
        let age = self.settings.recycle.map(|age| age - age.mul_f64(RECYCLE_JITTER * random()).min(age));
        Ok(Opened {
            connection: Box::new(connection),
            // An age that no clock reaches is never reached.
            expires: age.and_then(|age| Instant::now().checked_add(age)),
            generation,
        })
    }

    /// What a caller who ran out of time should know.
    fn timed_out(&self, step: Step, deadline: AcquireDeadline) -> Error {
        self.stats.timed_out(step);
        let target = match step {
            Step::Waiting => String::new(),
            Step::Connecting | Step::Pinging => format!("to {}; ", self.connector.target()),
        };
        let detail = format!("{target}{}", PoolStatus::describe(&self.status()));
        Error::new(Kind::Timeout { step, after: deadline.timeout(), detail })
    }
}
