use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

/// Counters of a [`Proxy`](super::Proxy).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Number of connections accepted so far.
    pub connections: u64,
    /// Number of open connections.
    pub open: u64,
    /// Number of open connections that are joined to the server.
    pub joined: u64,
    /// Number of bytes delivered to the server.
    pub sent: u64,
    /// Number of bytes delivered to clients.
    pub answered: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    connections: AtomicU64,
    open: AtomicU64,
    joined: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) answered: AtomicU64,
    pub(super) turns: AtomicUsize,
}

impl Counters {
    pub(super) fn read(&self) -> Counts {
        Counts {
            connections: self.connections.load(SeqCst),
            open: self.open.load(SeqCst),
            joined: self.joined.load(SeqCst),
            sent: self.sent.load(SeqCst),
            answered: self.answered.load(SeqCst),
        }
    }

    /// Counts a connection as open until the returned guard is dropped.
    pub(super) fn open(&self) -> impl Drop + '_ {
        self.connections.fetch_add(1, SeqCst);
        Meanwhile::count(&self.open)
    }

    /// Counts a connection as joined to the server until the returned guard is dropped.
    pub(super) fn joined(&self) -> impl Drop + '_ {
        Meanwhile::count(&self.joined)
    }
}

struct Meanwhile<'a>(&'a AtomicU64);

impl<'a> Meanwhile<'a> {
    fn count(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count)
    }
}

impl Drop for Meanwhile<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
