//! The backend processes of a server's connections.

use std::sync::{Arc, Mutex, Weak};

use tallybook_sql::lock::lock;

/// The backend processes that serve the connections to one server. A pooler may hand one of them to another client at
/// any time.
#[derive(Default)]
pub(super) struct Backends(Mutex<Vec<(i64, Weak<()>)>>);

/// Held by a connection as long as it is open.
pub(super) type Backend = Arc<()>;

impl Backends {
    /// Registers the backend process of a new connection, and forgets those of closed connections.
    pub(super) fn add(&self, pid: i64) -> Backend {
        let backend = Backend::default();
        let mut known = lock(&self.0);
        if known.len() == known.capacity() {
            known.retain(|(_, backend)| backend.strong_count() > 0);
        }
        known.push((pid, Arc::downgrade(&backend)));
        backend
    }

    /// Returns the process ids of the open connections.
    pub(super) fn pids(&self) -> Vec<i64> {
        let known = lock(&self.0);
        known.iter().filter(|(_, backend)| backend.strong_count() > 0).map(|(pid, _)| *pid).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Backends;

    #[test]
    fn a_process_is_known_as_long_as_its_connection_lives() {
        let backends = Backends::default();
        let kept = backends.add(1);
        (2..100).for_each(|pid| drop(backends.add(pid)));
        assert_eq!(backends.pids(), [1]);
        assert!(backends.0.lock().unwrap().capacity() < 50, "what ended is forgotten");
        drop(kept);
        assert!(backends.pids().is_empty());
    }
}
