//! What is running now, and the watch that reports what runs too long while it does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::line::ms;
use super::statement::Statement;
use crate::call::Call;

/// How often the watch looks, as a part of the threshold, and within which bounds.
const LOOKS: u32 = 4;
const SHORTEST_LOOK: Duration = Duration::from_millis(5);
const LONGEST_LOOK: Duration = Duration::from_millis(250);

/// The seats of all journals.
#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<Vec<Arc<Seat>>>);

/// Where a session puts what it has under way.
#[derive(Debug, Default)]
pub(super) struct Seat(Mutex<Option<Running>>);

/// A statement that runs: the first of its flight.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) statement: Arc<Statement>,
    pub(super) call: Call,
    pub(super) since: Instant,
    pub(super) session: u64,
    pub(super) number: u64,
    is_reported: bool,
}

impl Seat {
    pub(super) fn take(
        &self,
        statement: &Arc<Statement>,
        call: Call,
        since: Instant,
        session: u64,
        number: u64,
    ) {
        let statement = Arc::clone(statement);
        *self.lock() = Some(Running { statement, call, since, session, number, is_reported: false });
    }

    pub(super) fn leave(&self) {
        *self.lock() = None;
    }

    /// What has been running for `threshold` and was not reported yet.
    fn overdue(&self, threshold: Duration) -> Option<Running> {
        let mut seat = self.lock();
        let running =
            seat.as_mut().filter(|running| !running.is_reported && running.since.elapsed() >= threshold)?;
        running.is_reported = true;
        Some(running.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    /// A seat more.
    pub(super) fn add(&self) -> Arc<Seat> {
        let seat = Arc::new(Seat::default());
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those whose journals were not kept.
        seats.retain(|seat| Arc::strong_count(seat) > 1);
        seats.push(Arc::clone(&seat));
        seat
    }

    /// What runs, the longest first.
    pub(super) fn running(&self) -> Vec<Running> {
        let mut running: Vec<_> = self.all().iter().filter_map(|seat| seat.lock().clone()).collect();
        running.sort_by_key(|running| running.since);
        running
    }

    fn all(&self) -> Vec<Arc<Seat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reports each statement that runs for longer than the threshold, once, until the seats are gone. Must be called
    /// on a Tokio runtime.
    pub(super) fn watch(self: &Arc<Self>, threshold: Duration) {
        if !threshold.is_zero() {
            tokio::spawn(look(Arc::downgrade(self), threshold));
        }
    }
}

async fn look(seats: Weak<Seats>, threshold: Duration) {
    let interval = (threshold / LOOKS).clamp(SHORTEST_LOOK, LONGEST_LOOK);
    loop {
        tokio::time::sleep(interval).await;
        let Some(seats) = seats.upgrade() else { return };
        for seat in seats.all() {
            if let Some(running) = seat.overdue(threshold) {
                report(&running);
            }
        }
    }
}

fn report(running: &Running) {
    let fingerprint = &running.statement.fingerprint;
    tracing::warn!(
        target: "tallybook::query",
        ms = ms(running.since.elapsed()),
        at = %running.call.at(),
        fingerprint = fingerprint.code(),
        sql = &*fingerprint.text,
        session = running.session,
        number = running.number,
        "statement still running"
    );
}
