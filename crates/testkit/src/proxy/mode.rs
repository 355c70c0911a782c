use std::time::Duration;

/// What becomes of connections through a [`Proxy`](super::Proxy).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Everything is passed on.
    #[default]
    Relay,
    /// The same, each way so much later.
    Delay(Duration),
    /// A black hole: whatever is sent gets lost, in both directions, the end
    /// of a connection too. A connection that has lost something stays silent
    /// in later modes. New ones are accepted, and get no answer ever.
    Silent,
    /// New connections are accepted, and get no answer ever. Those that are
    /// open work.
    Mute,
    /// What clients send arrives, the answers get lost. A connection that has
    /// lost something gets nothing through in later modes. New ones are
    /// accepted, and get no answer ever.
    LoseAnswers,
    /// The server's side of all connections is closed, and the client's is
    /// not: what it sends gets lost. New ones are accepted and have no other
    /// side either.
    HalfOpen,
    /// A connection is closed as soon as the client sends something, which
    /// gets lost.
    HangUp,
    /// A connection is closed as soon as the answer to a COMMIT has been
    /// passed on. What the server sent behind it gets lost.
    HangUpAfterCommit,
    /// All connections, and each new one, are reset (RST).
    Reset,
    /// New connections are refused: nobody listens. Those that are open work.
    Refuse,
}

impl Mode {
    /// Whether a new connection gets as far as to the server. Where its
    /// answers would get lost it does not: a session that waits for a password
    /// makes whoever drops a database wait as well.
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
