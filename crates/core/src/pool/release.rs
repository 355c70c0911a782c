//! Releasing a connection: it returns clean or not at all.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;

use super::close_reason::CloseReason;
use super::core::Shared;
use super::slots::OpenConnection;
use crate::observe::Event;

impl Shared {
    /// Takes a connection back. A clean one without session state is idle at once. Any other is cleaned in the
    /// background and counts as in use until then.
    pub(super) fn release(
        self: Arc<Self>,
        mut opened: OpenConnection,
        permit: OwnedSemaphorePermit,
        slot: usize,
        since: Instant,
    ) {
        let now = Instant::now();
        let held: Duration = now - since;
        self.stats.hold.record_time(held);
        self.log.on(&Event::Returned { pool: &self.name, held });
        let connection = &mut opened.connection;
        let has_state = connection.has_session_state();
        // A connection that will be closed needs no cleaning, which a busy server might answer late.
        if (connection.is_clean() && !has_state) || connection.is_lost() || connection.is_read_only_server() {
            connection.mark_unused();
            self.return_to_idle(opened, slot, now);
            drop(permit);
            return;
        }
        let runtime = self.runtime.clone();
        runtime.spawn(async move {
            let mut opened = opened;
            match opened.connection.reset_for_reuse().await {
                Ok(()) => self.return_to_idle(opened, slot, Instant::now()),
                Err(_) => {
                    self.slots().end(slot);
                    let lost = opened.connection.is_lost();
                    self.discard(opened, if lost { CloseReason::Lost } else { CloseReason::Unclean });
                }
            }
            drop(permit);
        });
    }

    fn return_to_idle(self: &Arc<Self>, mut opened: OpenConnection, slot: usize, now: Instant) {
        if let Some(reason) = self.close_reason(&opened) {
            self.slots().end(slot);
            self.discard(opened, reason);
            return;
        }
        opened.connection.mark_unused();
        let mut slots = self.slots();
        slots.end(slot);
        let lingers = slots.push_used(opened, now, self.settings.size);
        drop(slots);
        if lingers {
            self.close_lingering();
        }
        if self.connecting.load(Ordering::Acquire) > 0 {
            self.returned.notify_one();
        }
    }

    /// Returns why a connection must be closed, or `None` if it can be reused.
    fn close_reason(&self, opened: &OpenConnection) -> Option<CloseReason> {
        let connection = &opened.connection;
        if connection.was_cancelled() {
            Some(CloseReason::Cancelled)
        } else if connection.is_lost() {
            Some(CloseReason::Lost)
        } else if connection.is_read_only_server() {
            Some(CloseReason::ReadOnlyServer)
        } else if connection.has_session_state() {
            Some(CloseReason::SessionState)
        } else if self.permits.is_closed() {
            Some(CloseReason::PoolClosed)
        } else {
            None
        }
    }

    /// Closes a connection. If it was lost or unresponsive, connections of the same generation are suspect:
    /// they are pinged before their next use, whatever the settings say.
    pub(super) fn discard(&self, opened: OpenConnection, reason: CloseReason) {
        use CloseReason::{Lost, PingFailed, ReadOnlyServer, Unclean};
        if matches!(reason, Lost | PingFailed | ReadOnlyServer | Unclean) {
            let (old, new) = (opened.generation, opened.generation + 1);
            // Fails harmlessly if another connection of the generation was first.
            let _ = self.generation.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed);
        }
        drop(opened);
        self.record_closed(reason);
    }
}
