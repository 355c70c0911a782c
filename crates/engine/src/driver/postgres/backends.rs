//! The server's processes of connections.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The processes that serve the connections to one server. A proxy that shares them among clients may have given one
/// to somebody else meanwhile.
#[derive(Default)]
pub(super) struct Backends(Mutex<Vec<(i64, Weak<()>)>>);

/// Held by a connection as long as it lives.
pub(super) type Backend = Arc<()>;

impl Backends {
    /// Remembers the process of a new connection, and forgets those of connections that ended.
    pub(super) fn add(&self, pid: i64) -> Backend {
        let backend = Backend::default();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == known.capacity() {
            known.retain(|(_, backend)| backend.strong_count() > 0);
        }
        known.push((pid, Arc::downgrade(&backend)));
        backend
    }

    /// Those whose connections are open.
    pub(super) fn pids(&self) -> Vec<i64> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
