//! A connection on loan, and where it leads.

use std::ops::{Deref, DerefMut};

use tokio::sync::OwnedSemaphorePermit;

use crate::pool::Checkout;

/// A connection of one node.
pub(crate) struct Lease {
    checkout: Checkout,
    node: usize,
    /// A part of the primary's budget for reads that no replica was fit for.
    _spill: Option<OwnedSemaphorePermit>,
}

impl Lease {
    pub(super) fn new(checkout: Checkout, node: usize) -> Self {
        Self { checkout, node, _spill: None }
    }

    pub(super) fn spilled(self, permit: OwnedSemaphorePermit) -> Self {
        Self { _spill: Some(permit), ..self }
    }

    /// The number of its node.
    pub(crate) fn node(&self) -> usize {
        self.node
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
