//! A connection on loan, and where it leads.

use std::ops::{Deref, DerefMut};
use std::panic::Location;

use tokio::sync::OwnedSemaphorePermit;

use crate::error::Result;
use crate::pool::Checkout;
use crate::settings::Engine;

/// A connection of one node.
pub(crate) struct Lease {
    checkout: Checkout,
    node: usize,
    engine: Engine,
    /// A part of the primary's budget for reads that no replica was fit for.
    spill: Option<OwnedSemaphorePermit>,
}

impl Lease {
    pub(super) fn new(checkout: Checkout, node: usize) -> Self {
        Self { node, engine: checkout.engine(), checkout, spill: None }
    }

    pub(super) fn spilled(self, permit: OwnedSemaphorePermit) -> Self {
        Self { spill: Some(permit), ..self }
    }

    /// The number of its node.
    pub(crate) fn node(&self) -> usize {
        self.node
    }

    /// Of which engine its node is.
    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    /// Gives it back for another one, before that is asked for: sessions that hold what others wait for, while they
    /// wait for what those hold, would wait for ever.
    pub(crate) fn give_up(&mut self) {
        self.checkout.release();
        self.spill = None;
    }

    /// Another connection of the same pool, in place of one that was given up.
    pub(crate) async fn renew(&mut self, holder: &'static Location<'static>) -> Result<()> {
        self.checkout.renew(holder).await
    }

    /// Whether it was given up, and no other one was got.
    pub(crate) fn is_given_up(&self) -> bool {
        self.checkout.is_released()
    }
}

impl Deref for Lease {
    type Target = Checkout;

    fn deref(&self) -> &Checkout {
        &self.checkout
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Checkout {
        &mut self.checkout
    }
}
