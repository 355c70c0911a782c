//! When work has to be over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The end of the time that work has. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Deadline {
    limit: Duration,
    end: Arc<Mutex<Instant>>,
}

impl Deadline {
    /// The end of this time from now on.
    pub(crate) fn after(limit: Duration) -> Self {
        Self { limit, end: Arc::new(Mutex::new(Instant::now() + limit)) }
    }

    /// The time that there was in all.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    pub(crate) fn end(&self) -> Instant {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Allows this time from now on, to leave nothing unfinished behind.
    pub(crate) fn extend(&self, grace: Duration) {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        *end = (*end).max(Instant::now() + grace);
    }
}
