//! Statements in flight, and the watch that reports stuck ones while they still run.

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use tallybook_sql::call_site::CallSite;
use tallybook_sql::lock::lock;

use super::log_record::ms;
use super::statement_stats::StatementStats;

/// The watch checks four times per slow-statement threshold, within these bounds.
const CHECKS_PER_THRESHOLD: u32 = 4;
const MIN_INTERVAL: Duration = Duration::from_millis(5);
const MAX_INTERVAL: Duration = Duration::from_millis(250);

/// The slots of all recorders.
#[derive(Debug, Default)]
pub(super) struct ActiveSlots(Mutex<Vec<Arc<ActiveSlot>>>);

/// The slot in which a session publishes its running statement.
#[derive(Debug, Default)]
pub(super) struct ActiveSlot(Mutex<Option<RunningStatement>>);

/// A running statement: the first of its pipeline.
#[derive(Clone, Debug)]
pub(super) struct RunningStatement {
    pub(super) statement: Arc<StatementStats>,
    pub(super) call: CallSite,
    pub(super) sent_at: Instant,
    pub(super) session: u64,
    pub(super) number: u64,
    is_reported: bool,
}

impl ActiveSlot {
    pub(super) fn set(
        &self,
        statement: &Arc<StatementStats>,
        call: CallSite,
        sent_at: Instant,
        session: u64,
        number: u64,
    ) {
        let statement = Arc::clone(statement);
        *self.lock() =
            Some(RunningStatement { statement, call, sent_at, session, number, is_reported: false });
    }

    pub(super) fn clear(&self) {
        *self.lock() = None;
    }

    /// Returns the statement if it has run for `threshold` and was not reported yet; marks it reported.
    fn overdue(&self, threshold: Duration) -> Option<RunningStatement> {
        let mut slot = self.lock();
        let running =
            slot.as_mut().filter(|running| !running.is_reported && running.sent_at.elapsed() >= threshold)?;
        running.is_reported = true;
        Some(running.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<RunningStatement>> {
        lock(&self.0)
    }
}

impl ActiveSlots {
    /// Adds a slot.
    pub(super) fn add(&self) -> Arc<ActiveSlot> {
        let slot = Arc::new(ActiveSlot::default());
        let mut slots = lock(&self.0);
        // Drops the slots of dropped recorders.
        slots.retain(|slot| Arc::strong_count(slot) > 1);
        slots.push(Arc::clone(&slot));
        slot
    }

    /// Returns the running statements, longest-running first.
    pub(super) fn running(&self) -> Vec<RunningStatement> {
        let mut running: Vec<_> = self.all().iter().filter_map(|slot| slot.lock().clone()).collect();
        running.sort_by_key(|running| running.sent_at);
        running
    }

    fn all(&self) -> Vec<Arc<ActiveSlot>> {
        lock(&self.0).clone()
    }

    /// Spawns the task that reports each statement once when it exceeds `threshold`. It ends when the slots
    /// are dropped. Must be called on a Tokio runtime.
    pub(super) fn spawn_watch(self: &Arc<Self>, threshold: Duration) {
        if !threshold.is_zero() {
            tokio::spawn(watch_running(Arc::downgrade(self), threshold));
        }
    }
}

async fn watch_running(slots: Weak<ActiveSlots>, threshold: Duration) {
    let interval = (threshold / CHECKS_PER_THRESHOLD).clamp(MIN_INTERVAL, MAX_INTERVAL);
    loop {
        tokio::time::sleep(interval).await;
        let Some(slots) = slots.upgrade() else { return };
        for slot in slots.all() {
            if let Some(running) = slot.overdue(threshold) {
                warn(&running);
            }
        }
    }
}

fn warn(running: &RunningStatement) {
    let fingerprint = &running.statement.fingerprint;
    tracing::warn!(
        target: "tallybook::query",
        ms = ms(running.sent_at.elapsed()),
        at = %running.call.at(),
        fingerprint = fingerprint.code(),
        sql = &*fingerprint.text,
        session = running.session,
        number = running.number,
        "statement still running"
    );
}
