//! A connection on loan.

use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;

use super::AcquireDeadline;
use super::core::{Pool, Shared};
use super::inventory::Opened;
use crate::driver::Connection;
use crate::error::Result;

/// A connection that goes back to its pool when this is dropped.
pub(crate) struct Checkout {
    pool: Arc<Shared>,
    since: Instant,
    waited: Duration,
    /// Where the pool wrote the loan down.
    loan: usize,
    /// Both are there until they are released.
    held: Option<(Opened, OwnedSemaphorePermit)>,
}

impl Checkout {
    pub(super) fn new(
        pool: Arc<Shared>,
        opened: Opened,
        permit: OwnedSemaphorePermit,
        loan: usize,
        since: Instant,
    ) -> Self {
        Self { pool, since, waited: Duration::ZERO, loan, held: Some((opened, permit)) }
    }

    /// Remembers how long it was waited for, from `start` on.
    pub(super) fn waited_from(mut self, start: Instant) -> Self {
        self.waited = self.since - start;
        self
    }

    /// Gives the connection back now, for an owner that will not use it any more.
    pub(crate) fn release(&mut self) {
        if let Some((opened, permit)) = self.held.take() {
            Arc::clone(&self.pool).give_back(opened, permit, self.loan, self.since);
        }
    }

    /// Takes another connection of its pool, once this one was given back.
    pub(crate) async fn renew(&mut self, holder: &'static Location<'static>) -> Result<()> {
        self.release();
        let pool = Pool(Arc::clone(&self.pool));
        let deadline = AcquireDeadline::after(pool.0.settings.timeout);
        *self = pool.checkout(holder, deadline).await?;
        Ok(())
    }

    /// Whether it was given back.
    pub(crate) fn is_released(&self) -> bool {
        self.held.is_none()
    }

    /// From asking for it to having it.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }
}

impl Deref for Checkout {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.held.as_ref().expect("on loan until released").0.connection
    }
}

impl DerefMut for Checkout {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.held.as_mut().expect("on loan until released").0.connection
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        self.release();
    }
}
