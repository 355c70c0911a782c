//! Cutting all connections to a server that does not answer: whoever waits there would wait for ever.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// The connections to one server, as the tasks that carry them.
#[derive(Default)]
pub(super) struct Cut {
    tasks: Mutex<Vec<AbortHandle>>,
    now: Notify,
}

impl Cut {
    /// Remembers a connection, and forgets those that ended.
    pub(super) fn add(&self, task: AbortHandle) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if tasks.len() == tasks.capacity() {
            tasks.retain(|task| !task.is_finished());
        }
        tasks.push(task);
    }

    /// How many are open, as far as it was noticed.
    pub(super) fn open(&self) -> usize {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.len()
    }

    /// Ends every connection, and every attempt to make one. What waits for an answer sees its connection closed.
    pub(super) fn all(&self) {
        self.now.notify_waiters();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.iter().for_each(AbortHandle::abort);
    }

    /// Waits for `attempt`, but not beyond the next cut.
    pub(super) async fn bounds<T>(&self, attempt: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            result = attempt => Some(result),
            () = self.now.notified() => None,
        }
    }
}
