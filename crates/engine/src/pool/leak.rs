//! Sessions that are held too long.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Holder;
use super::core::{Pool, Shared};
use crate::observe::Event;

/// How often loans are looked at, as a part of the threshold.
const LOOKS: u32 = 4;

impl Pool {
    /// Reports each session that is held longer than the threshold once, until the pool is gone.
    pub(crate) fn watch_leaks(self) -> Self {
        let shared = &self.0;
        if let Some(threshold) = shared.settings.leak_threshold {
            shared.runtime.spawn(look(Arc::downgrade(shared), threshold));
        }
        self
    }
}

async fn look(shared: Weak<Shared>, threshold: Duration) {
    let interval = (threshold / LOOKS).max(Duration::from_millis(10));
    loop {
        tokio::time::sleep(interval).await;
        let Some(shared) = shared.upgrade() else { return };
        let leaks = shared.inventory().new_leaks(threshold);
        for Holder { held, at } in leaks {
            shared.log.on(&Event::Leaked { pool: &shared.name, held, at });
        }
    }
}
