//! Aborting all connections to a server that stopped responding: their callers would wait forever.

use std::future::Future;
use std::sync::Mutex;

use tallybook_sql::lock::lock;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// The tasks that drive the connections to one server.
#[derive(Default)]
pub(super) struct ConnectionAborter {
    tasks: Mutex<Vec<AbortHandle>>,
    aborted: Notify,
}

impl ConnectionAborter {
    /// Registers a connection, and forgets those that have ended.
    pub(super) fn add(&self, task: AbortHandle) {
        let mut tasks = lock(&self.tasks);
        if tasks.len() == tasks.capacity() {
            tasks.retain(|task| !task.is_finished());
        }
        tasks.push(task);
    }

    /// Returns the number of open connections.
    pub(super) fn open_count(&self) -> usize {
        let mut tasks = lock(&self.tasks);
        tasks.retain(|task| !task.is_finished());
        tasks.len()
    }

    /// Aborts every connection and every attempt to make one. Callers waiting for an answer see a closed connection.
    pub(super) fn abort_all(&self) {
        self.aborted.notify_waiters();
        let tasks = std::mem::take(&mut *lock(&self.tasks));
        tasks.iter().for_each(AbortHandle::abort);
    }

    /// Awaits `attempt`; returns `None` if [`abort_all`](Self::abort_all) is called first.
    pub(super) async fn until_aborted<T>(&self, attempt: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            result = attempt => Some(result),
            () = self.aborted.notified() => None,
        }
    }
}
