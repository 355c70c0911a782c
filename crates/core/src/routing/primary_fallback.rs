//! The budget of reads that run on the primary because no replica is fit. It keeps them from overloading the
//! primary.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tallybook_sql::error::{AcquireStep, Error, ErrorDetail, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use crate::pool::{AcquireDeadline, Waiting};

/// Callers that may queue for each permit of the budget.
const MAX_WAITING_PER_PERMIT: usize = 8;

/// The primary's fallback budget.
pub(super) struct FallbackBudget {
    permits: Arc<Semaphore>,
    limit: usize,
    waiting: AtomicUsize,
    refused: AtomicU64,
}

impl FallbackBudget {
    /// Creates a budget of `limit` concurrent reads.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(limit)),
            limit,
            waiting: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Takes a permit, now or in turn. Fails at once if too many callers wait, or at the deadline.
    pub(super) async fn take(&self, deadline: AcquireDeadline) -> Result<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let waiting = Waiting::new(&self.waiting);
        if waiting.position > self.limit * MAX_WAITING_PER_PERMIT {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Error::new(ErrorDetail::FallbackRefused { limit: self.limit }));
        }
        let turn = timeout_at(deadline.end().into(), Arc::clone(&self.permits).acquire_owned()).await;
        turn.map_err(|_| self.timed_out(deadline))?.map_err(|_| Error::new(ErrorDetail::Closed))
    }

    fn timed_out(&self, deadline: AcquireDeadline) -> Error {
        let detail = format!(
            "no replica is fit for this read, and {} such reads run on the primary already (DB_REPLICA_FALLBACK)",
            self.limit
        );
        Error::new(ErrorDetail::Timeout { step: AcquireStep::Waiting, after: deadline.timeout(), detail })
    }

    /// Returns the number of refused reads.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}
