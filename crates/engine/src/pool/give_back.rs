//! Taking back: a connection is kept clean or not at all.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;

use super::core::Shared;
use super::inventory::Opened;
use super::stats::CloseReason;
use crate::observe::Event;

impl Shared {
    /// Takes a connection back. One that is clean, and on which its session left nothing, is kept or closed; any other is
    /// freed of that first, away from the caller, and counts as in use until then.
    pub(super) fn give_back(
        self: Arc<Self>,
        mut opened: Opened,
        permit: OwnedSemaphorePermit,
        loan: usize,
        since: Instant,
    ) {
        let now = Instant::now();
        let held: Duration = now - since;
        self.stats.hold.record_time(held);
        self.log.on(&Event::Returned { pool: &self.name, held });
        let connection = &mut opened.connection;
        let has_state = connection.has_session_state();
        // What is closed anyway needs no cleaning, which a busy server could answer late.
        if (connection.is_clean() && !has_state) || connection.is_lost() || connection.is_read_only_server() {
            connection.rest();
            self.keep(opened, loan, now);
            drop(permit);
            return;
        }
        let runtime = self.runtime.clone();
        runtime.spawn(async move {
            let mut opened = opened;
            match opened.connection.free().await {
                Ok(()) => self.keep(opened, loan, Instant::now()),
                Err(_) => {
                    self.inventory().end(loan);
                    let lost = opened.connection.is_lost();
                    self.discard(opened, if lost { CloseReason::Lost } else { CloseReason::Unclean });
                }
            }
            drop(permit);
        });
    }

    fn keep(&self, mut opened: Opened, loan: usize, now: Instant) {
        let unfit = self.spent(&opened);
        let mut inventory = self.inventory();
        inventory.end(loan);
        let reason = match unfit {
            None if inventory.idle_len() < self.settings.size => {
                opened.connection.rest();
                inventory.push(opened, now);
                drop(inventory);
                if self.connecting.load(Ordering::Acquire) > 0 {
                    self.returned.notify_one();
                }
                return;
            }
            None => CloseReason::Overflow,
            Some(reason) => reason,
        };
        drop(inventory);
        self.discard(opened, reason);
    }

    /// Why a connection can't be used again.
    fn spent(&self, opened: &Opened) -> Option<CloseReason> {
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

    /// Closes a connection. Where one was lost or did not react, its contemporaries are suspect: they are
    /// checked before they are used again, whatever the settings say.
    pub(super) fn discard(&self, opened: Opened, reason: CloseReason) {
        use CloseReason::{Lost, PingFailed, ReadOnlyServer, Unclean};
        if matches!(reason, Lost | PingFailed | ReadOnlyServer | Unclean) {
            let (old, new) = (opened.generation, opened.generation + 1);
            // Another of the same generation may have been first.
            let _ = self.generation.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed);
        }
        drop(opened);
        self.closed(reason);
    }
}
