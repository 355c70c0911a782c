//! Why connections are closed.

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// It was idle beyond the size of the pool, and not needed for a second.
    Overflow,
    /// It was older than `DB_POOL_RECYCLE`.
    Recycled,
    /// It did not answer a ping.
    PingFailed,
    /// The connection broke.
    Lost,
    /// Its server turned out to be read-only: a standby, after a failover.
    ReadOnlyServer,
    /// Abandoned work on it could not be undone.
    Unclean,
    /// A statement on it was cancelled. The cancel request may arrive late and hit the next statement.
    Cancelled,
    /// A session left state on it that cannot be reset.
    SessionState,
    /// The pool was closed, or its idle connections were.
    PoolClosed,
}

impl CloseReason {
    /// All reasons.
    pub const ALL: [Self; 9] = [
        Self::Overflow,
        Self::Recycled,
        Self::PingFailed,
        Self::Lost,
        Self::ReadOnlyServer,
        Self::Unclean,
        Self::Cancelled,
        Self::SessionState,
        Self::PoolClosed,
    ];

    /// Returns a short text for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::Recycled => "recycled",
            Self::PingFailed => "ping failed",
            Self::Lost => "lost",
            Self::ReadOnlyServer => "read-only server",
            Self::Unclean => "unclean",
            Self::Cancelled => "cancelled",
            Self::SessionState => "session state",
            Self::PoolClosed => "pool closed",
        }
    }
}

/// Closed connections, counted by [`CloseReason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed(pub(super) [u64; CloseReason::ALL.len()]);

impl Closed {
    /// Returns the connections closed for this reason.
    pub fn by(&self, reason: CloseReason) -> u64 {
        self.0[reason as usize]
    }

    /// Returns all closed connections.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}
