//! The common interface of the pools that are compared.

use std::future::Future;

use anyhow::Result;

/// A pool of [`CONNECTIONS`](crate::connections::CONNECTIONS) connections.
pub(super) trait Peer: Send + Sync + 'static {
    /// An acquired connection; dropping it releases it.
    type Held: Send + 'static;

    /// Takes a connection.
    fn check_out(&self) -> impl Future<Output = Result<Self::Held>> + Send;

    /// Runs `SELECT 1::bigint`, by the shortest way that the pool's own client has.
    fn ask(held: &mut Self::Held) -> impl Future<Output = Result<i64>> + Send;
}
