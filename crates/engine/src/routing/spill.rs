//! Reads that go to the primary because no replica is fit: it must not drown in them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use crate::error::{Error, Kind, Result, Step};
use crate::pool::{AcquireDeadline, Waiting};

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

    /// A part of the budget, at once or in turn; an error as soon as too many wait, or at the deadline.
    pub(super) async fn take(&self, deadline: AcquireDeadline) -> Result<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let waiting = Waiting::new(&self.waiting);
        if waiting.place > self.limit * QUEUE {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Error::new(Kind::SpillRefused { limit: self.limit }));
        }
        let turn = timeout_at(deadline.end().into(), Arc::clone(&self.permits).acquire_owned()).await;
        turn.map_err(|_| self.timed_out(deadline))?.map_err(|_| Error::new(Kind::Closed))
    }

    fn timed_out(&self, deadline: AcquireDeadline) -> Error {
        let detail = format!(
            "no replica is fit for this read, and {} such reads run on the primary already (DB_REPLICA_SPILL)",
            self.limit
        );
        Error::new(Kind::Timeout { step: Step::Waiting, after: deadline.timeout(), detail })
    }

    /// How many were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}
