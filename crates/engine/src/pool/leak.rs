//! Sessions that are held too long.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::core::Shared;
use crate::observe::Event;

/// How often loans are looked at, as a part of the threshold.
const LOOKS: u32 = 4;

/// Reports each session that is held longer than the threshold once, until the pool is gone.
pub(super) fn watch(shared: &Arc<Shared>) {
    if let Some(threshold) = shared.settings.leak_threshold {
        shared.runtime.spawn(look(Arc::downgrade(shared), threshold));
    }
}

async fn look(shared: Weak<Shared>, threshold: Duration) {
    let interval = (threshold / LOOKS).max(Duration::from_millis(10));
    loop {
        tokio::time::sleep(interval).await;
        let Some(shared) = shared.upgrade() else { return };
        let leaks = shared.inventory().new_leaks(threshold);
        for holder in leaks {
            shared.log.on(&Event::Leaked { pool: shared.name, holder });
        }
    }
}
