//! Deadlines that work may extend.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tallybook_sql::lock::lock;

/// A deadline for work. Clones share it.
#[derive(Clone, Debug)]
pub struct Deadline {
    limit: Duration,
    end: Arc<Mutex<Instant>>,
}

impl Deadline {
    /// Creates a deadline that is `limit` from now.
    pub fn after(limit: Duration) -> Self {
        Self { limit, end: Arc::new(Mutex::new(Instant::now() + limit)) }
    }

    /// Returns the original time limit.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Returns the current deadline.
    pub fn end(&self) -> Instant {
        *lock(&self.end)
    }

    /// Moves the deadline to at least `grace` from now, so that cleanup can finish.
    pub fn extend(&self, grace: Duration) {
        let mut end = lock(&self.end);
        *end = (*end).max(Instant::now() + grace);
    }
}
