//! A pooled connection and the node it belongs to.

use std::ops::{Deref, DerefMut};
use std::panic::Location;

use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Result;
use tokio::sync::OwnedSemaphorePermit;

use crate::pool::PooledConnection;

/// A connection in use, of one node.
pub(crate) struct NodeConnection {
    pooled: PooledConnection,
    node: usize,
    dialect: Dialect,
    /// Permit from the primary's fallback budget, if the read runs on the primary because no replica is fit.
    fallback: Option<OwnedSemaphorePermit>,
}

impl NodeConnection {
    pub(super) fn new(pooled: PooledConnection, node: usize) -> Self {
        Self { node, dialect: pooled.dialect(), pooled, fallback: None }
    }

    pub(super) fn with_fallback_permit(self, permit: OwnedSemaphorePermit) -> Self {
        Self { fallback: Some(permit), ..self }
    }

    /// Returns the index of its node.
    pub(crate) fn node(&self) -> usize {
        self.node
    }

    /// Returns the SQL dialect of its node.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Releases the connection before another one is acquired. Sessions that wait while they hold a
    /// connection could deadlock each other.
    pub(crate) fn release(&mut self) {
        self.pooled.release();
        self.fallback = None;
    }

    /// Acquires another connection from the same pool.
    pub(crate) async fn reacquire(&mut self, caller: &'static Location<'static>) -> Result<()> {
        self.pooled.reacquire(caller).await
    }
}

impl Deref for NodeConnection {
    type Target = PooledConnection;

    fn deref(&self) -> &PooledConnection {
        &self.pooled
    }
}

impl DerefMut for NodeConnection {
    fn deref_mut(&mut self) -> &mut PooledConnection {
        &mut self.pooled
    }
}
