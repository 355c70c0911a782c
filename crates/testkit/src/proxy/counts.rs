use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

/// What went through a [`Proxy`](super::Proxy).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were accepted so far.
    pub connections: u64,
    /// Those that are open.
    pub open: u64,
    /// Those with the server on the other side.
    pub joined: u64,
    /// Bytes that reached the server.
    pub sent: u64,
    /// Bytes that reached clients.
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

    /// Counts a connection as open until what it returns is dropped.
    pub(super) fn open(&self) -> impl Drop + '_ {
        self.connections.fetch_add(1, SeqCst);
        Meanwhile::count(&self.open)
    }

    /// Counts it as joined with the server until what it returns is dropped.
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
