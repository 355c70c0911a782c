//! Watching SQLite's write-ahead log, which a long read keeps from being truncated.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::core::{Pool, Shared};
use crate::observe::Event;
use crate::sqlite::log_readers;

const INTERVAL: Duration = Duration::from_millis(500);
/// Size in bytes from which a warning is logged.
const LONG: u64 = 64 << 20;

impl Pool {
    /// Checkpoints the write-ahead log of a file when it has grown, and warns once with the session that
    /// prevents it, until the pool is dropped. Does nothing for databases without such a log.
    pub(crate) fn watch_log(self) -> Self {
        let shared = &self.0;
        if shared.connector.log_size().is_some() {
            shared.runtime.spawn(watch(Arc::downgrade(shared)));
        }
        self
    }

    /// Describes a log of this size if it is too long.
    pub(crate) fn long_log(&self, bytes: Option<u64>) -> Option<String> {
        let megabytes = bytes.filter(|bytes| *bytes >= LONG)? >> 20;
        let holder = match self.0.slots().longest_session() {
            Some(holder) => format!("in this process, {holder}"),
            None => "no session of this process is reading".to_owned(),
        };
        Some(format!("its write-ahead log has {megabytes} MB, because a read does not end; {holder}"))
    }
}

async fn watch(shared: Weak<Shared>) {
    let mut is_reported = false;
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(shared) = shared.upgrade() else { return };
        let bytes = shared.connector.log_size().unwrap_or_default();
        if bytes < LONG {
            is_reported = false;
        } else if !is_reported {
            is_reported = true;
            let holder = shared.slots().longest_session();
            let others = others(&shared).await;
            shared.log.on(&Event::LogGrew { pool: &shared.name, bytes, holder, others: &others });
        }
        // A failure is retried at the next interval.
        let _ = shared.connector.shorten_log().await;
    }
}

/// Lists the other processes that are reading.
async fn others(shared: &Shared) -> String {
    let Some((path, _)) = shared.connector.lockable() else { return String::new() };
    let path = path.to_owned();
    let readers = spawn_blocking(move || log_readers(&path)).await.unwrap_or_default();
    readers.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
