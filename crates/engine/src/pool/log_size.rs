//! SQLite's write-ahead log, which a read that does not end lets grow.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::core::{Pool, Shared};
use crate::driver::log_readers;
use crate::observe::Event;

const INTERVAL: Duration = Duration::from_millis(500);
/// The size in bytes from which the log tells of it.
const LONG: u64 = 64 << 20;

impl Pool {
    /// Shortens the write-ahead log of a file when it has grown, and tells once who keeps it from that, until the pool is
    /// gone. Does nothing where there is no such log.
    pub(crate) fn watch_log(self) -> Self {
        let shared = &self.0;
        if shared.connector.log_size().is_some() {
            shared.runtime.spawn(watch(Arc::downgrade(shared)));
        }
        self
    }

    /// What to say of a log of this size, if it is long.
    pub(crate) fn long_log(&self, bytes: Option<u64>) -> Option<String> {
        let megabytes = bytes.filter(|bytes| *bytes >= LONG)? >> 20;
        let holder = match self.0.inventory().longest_loan() {
            Some(holder) => format!("of the readers of this process {holder}"),
            None => "no session of this process reads".to_owned(),
        };
        Some(format!("its write-ahead log has {megabytes} MB, because a read does not end; {holder}"))
    }
}

async fn watch(shared: Weak<Shared>) {
    let mut is_told = false;
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(shared) = shared.upgrade() else { return };
        let bytes = shared.connector.log_size().unwrap_or_default();
        if bytes < LONG {
            is_told = false;
        } else if !is_told {
            is_told = true;
            let holder = shared.inventory().longest_loan();
            let others = others(&shared).await;
            shared.log.on(&Event::LogGrew { pool: &shared.name, bytes, holder, others: &others });
        }
        // Where it fails it is tried again.
        let _ = shared.connector.shorten_log().await;
    }
}

/// The other processes that read now.
async fn others(shared: &Shared) -> String {
    let Some((path, _)) = shared.connector.lockable() else { return String::new() };
    let path = path.to_owned();
    let readers = spawn_blocking(move || log_readers(&path)).await.unwrap_or_default();
    readers.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
