//! Reads that go to the primary because no replica is fit: it must not drown in them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Kind, Result};
use crate::pool::Waiting;

/// For each read that runs there, so many may wait.
const QUEUE: usize = 8;

/// The primary's budget for them.
pub(super) struct Spill {
    permits: Arc<Semaphore>,
    limit: usize,
    waiting: AtomicUsize,
    refused: AtomicU64,
}

impl Spill {
    /// `limit` of them may run at the same time.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(limit)),
            limit,
            waiting: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// A part of the budget, at once or in turn; an error as soon as too many wait.
    pub(super) async fn take(&self) -> Result<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let waiting = Waiting::new(&self.waiting);
        if waiting.place > self.limit * QUEUE {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Error::new(Kind::SpillRefused { limit: self.limit }));
        }
        Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::new(Kind::Closed))
    }

    /// How many were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}
