use std::time::Duration;

/// The treatment of connections by a [`Proxy`](super::Proxy).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Relays everything.
    #[default]
    Relay,
    /// Relays everything with this delay in each direction.
    Delay(Duration),
    /// Black hole: discards everything in both directions, including the end of a connection. A connection that
    /// has lost data stays silent in later modes. New connections are accepted and never answered.
    Silent,
    /// Accepts new connections and never answers them. Open connections work.
    Mute,
    /// Delivers what clients send, and discards the answers. A connection that has lost data relays nothing in
    /// later modes. New connections are accepted and never answered.
    LoseAnswers,
    /// Closes the server's side of all connections but not the client's, and discards what the client sends. New
    /// connections are accepted and have no server either.
    HalfOpen,
    /// Closes a connection as soon as the client sends something, which is discarded.
    HangUp,
    /// Closes a connection as soon as the answer to a COMMIT was delivered. Discards what the server sent after
    /// it.
    HangUpAfterCommit,
    /// Resets all connections, and each new one (RST).
    Reset,
    /// Refuses new connections: nothing listens. Open connections work.
    Refuse,
}

impl Mode {
    /// Returns whether a new connection reaches the server. It does not where answers would be discarded: a
    /// session that waits for a password would block `DROP DATABASE`.
    pub(super) fn connects(self) -> bool {
        matches!(self, Self::Relay | Self::Delay(_) | Self::HangUp | Self::HangUpAfterCommit)
    }

    pub(super) fn delay(self) -> Duration {
        match self {
            Self::Delay(delay) => delay,
            _ => Duration::ZERO,
        }
    }
}
