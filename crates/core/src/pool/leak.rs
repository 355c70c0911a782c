//! Detection of leaked sessions.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::ConnectionHolder;
use super::core::{Pool, Shared};
use crate::observe::Event;

/// Checks for leaks within one threshold.
const CHECKS_PER_THRESHOLD: u32 = 4;

impl Pool {
    /// Reports each session that outlives the threshold, once, until the pool is dropped.
    pub(crate) fn watch_leaks(self) -> Self {
        let shared = &self.0;
        if let Some(threshold) = shared.settings.leak_threshold {
            shared.runtime.spawn(watch(Arc::downgrade(shared), threshold));
        }
        self
    }
}

async fn watch(shared: Weak<Shared>, threshold: Duration) {
    let interval = (threshold / CHECKS_PER_THRESHOLD).max(Duration::from_millis(10));
    loop {
        tokio::time::sleep(interval).await;
        let Some(shared) = shared.upgrade() else { return };
        let leaks = shared.slots().new_leaks(threshold);
        for ConnectionHolder { held, at } in leaks {
            shared.log.on(&Event::Leaked { pool: &shared.name, held, at });
        }
    }
}
