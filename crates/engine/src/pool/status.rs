//! What a pool has out and at rest.

/// A snapshot of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Which pool: `primary`, or `readers` and `writer` on SQLite.
    pub name: &'static str,
    /// The most connections it lends: size plus overflow.
    pub limit: usize,
    /// Connections lent, those being cleaned included.
    pub in_use: usize,
    /// Connections at rest.
    pub idle: usize,
    /// Callers waiting for one.
    pub waiting: usize,
}
