//! A connection on loan.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;

use super::core::{Opened, Shared};
use crate::driver::Connection;

/// A connection that goes back to its pool when this is dropped.
pub(crate) struct Checkout {
    pool: Arc<Shared>,
    since: Instant,
    /// Both are there until the drop.
    loan: Option<(Opened, OwnedSemaphorePermit)>,
}

impl Checkout {
    pub(super) fn new(pool: Arc<Shared>, opened: Opened, permit: OwnedSemaphorePermit) -> Self {
        Self { pool, since: Instant::now(), loan: Some((opened, permit)) }
    }
}

impl Deref for Checkout {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.loan.as_ref().expect("on loan until dropped").0.connection
    }
}

impl DerefMut for Checkout {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.loan.as_mut().expect("on loan until dropped").0.connection
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        if let Some((opened, permit)) = self.loan.take() {
            Arc::clone(&self.pool).give_back(opened, permit, self.since.elapsed());
        }
    }
}
