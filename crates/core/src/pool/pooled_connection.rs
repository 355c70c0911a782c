//! A connection in use.

use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tallybook_sql::error::Result;
use tokio::sync::OwnedSemaphorePermit;

use super::AcquireDeadline;
use super::core::{Pool, Shared};
use super::slots::OpenConnection;
use crate::driver::Connection;

/// A connection that returns to its pool on drop.
pub(crate) struct PooledConnection {
    pool: Arc<Shared>,
    since: Instant,
    waited: Duration,
    /// Key of its entry in [`Slots`](super::slots::Slots).
    slot: usize,
    /// `None` once released.
    held: Option<(OpenConnection, OwnedSemaphorePermit)>,
}

impl PooledConnection {
    pub(super) fn new(
        pool: Arc<Shared>,
        opened: OpenConnection,
        permit: OwnedSemaphorePermit,
        slot: usize,
        since: Instant,
    ) -> Self {
        Self { pool, since, waited: Duration::ZERO, slot, held: Some((opened, permit)) }
    }

    /// Records how long the caller waited, counted from `start`.
    pub(super) fn waited_from(mut self, start: Instant) -> Self {
        self.waited = self.since - start;
        self
    }

    /// Returns the connection to the pool now.
    pub(crate) fn release(&mut self) {
        if let Some((opened, permit)) = self.held.take() {
            Arc::clone(&self.pool).release(opened, permit, self.slot, self.since);
        }
    }

    /// Releases the connection and acquires another one from the same pool.
    pub(crate) async fn reacquire(&mut self, caller: &'static Location<'static>) -> Result<()> {
        self.release();
        let pool = Pool(Arc::clone(&self.pool));
        let deadline = AcquireDeadline::after(pool.0.settings.timeout);
        *self = pool.acquire(caller, deadline).await?;
        Ok(())
    }

    /// Returns whether the connection was released.
    pub(crate) fn is_released(&self) -> bool {
        self.held.is_none()
    }

    /// Returns how long the caller waited.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }
}

impl Deref for PooledConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.held.as_ref().expect("present until released").0.connection
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.held.as_mut().expect("present until released").0.connection
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        self.release();
    }
}
