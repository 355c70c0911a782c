//! The open connections to one server, to count them and to give them up at once.

use std::future::Future;
use std::sync::Mutex;

use tallybook_sql::lock::lock;
use tokio::sync::Notify;

use super::client::{Client, WeakClient};

/// The connections to one server, and the attempts to make one.
#[derive(Default)]
pub(super) struct OpenConnections {
    clients: Mutex<Vec<WeakClient>>,
    aborted: Notify,
}

impl OpenConnections {
    /// Registers a connection, and forgets those that have ended.
    pub(super) fn add(&self, client: &Client) {
        let mut clients = lock(&self.clients);
        if clients.len() == clients.capacity() {
            clients.retain(WeakClient::is_open);
        }
        clients.push(client.downgrade());
    }

    /// Returns the number of open connections.
    pub(super) fn count(&self) -> usize {
        let mut clients = lock(&self.clients);
        clients.retain(WeakClient::is_open);
        clients.len()
    }

    /// Aborts every connection and every attempt to make one: a server that stopped responding would keep its callers
    /// waiting forever. They see a closed connection.
    pub(super) fn abort_all(&self) {
        self.aborted.notify_waiters();
        let clients = std::mem::take(&mut *lock(&self.clients));
        clients.iter().for_each(WeakClient::abort);
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
