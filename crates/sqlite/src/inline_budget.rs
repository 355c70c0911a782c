//! The inline budget: short pipelines run on the caller's thread.
//!
//! The two hops to the connection's thread and back cost several times as much as a short read. A pipeline that exceeds
//! its budget is interrupted, and runs again from the start on the connection's thread. So only a pipeline that can run
//! again qualifies: reads, and inserts whose whole transaction is in the pipeline, because SQLite rolls back a
//! transaction in which a write is interrupted.
//!
//! Two things limit the time. SQLite's progress handler reads the clock every thousand steps of its virtual machine,
//! and the pipeline does so between two statements. And a pipeline whose texts and parameters exceed [`MAX_BYTES`] is
//! not tried. Neither limits a single step that makes or reads a value of megabytes: after the second time, its
//! pipeline is not tried any more. (SQLite's own limit of lengths would refuse such values, but `printf` and `format`
//! return NULL at that limit.)

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;
use rusqlite::{Connection as Sqlite, Error as SqliteError, ffi};
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Result;
use tallybook_sql::query::Query;
use tallybook_sql::value::Value;

use super::error::convert;

/// Time for which a task may block its thread; tokio recommends 10 to 100 microseconds between two await points.
const BUDGET: Duration = Duration::from_micros(100);
/// Steps of SQLite's virtual machine between two reads of the clock: about 20 microseconds.
const STEPS: i32 = 1_000;
/// Maximum size of a pipeline's texts and parameters. Copying that much takes a few microseconds.
const MAX_BYTES: usize = 16 << 10;
/// Size of a value in addition to its bytes.
const VALUE_BYTES: usize = 16;
/// Size of a UUID in a list.
const UUID_BYTES: usize = VALUE_BYTES + 36;
/// Executions for which a slow pipeline goes straight to the connection's thread, before it is tried again.
const SKIPPED_RUNS: u8 = 32;
/// Maximum number of slow pipelines remembered.
const MAX_SLOW_BATCHES: usize = 1_024;

/// Interrupts statements that exceed the budget.
#[derive(Debug)]
pub(super) struct InlineBudget {
    origin: Instant,
    /// Nanoseconds from the origin to the deadline; 0 without one.
    deadline: AtomicU64,
    has_interrupted: AtomicBool,
    /// Busy time-out of the connection while there is no deadline.
    busy_timeout: Duration,
    streams: Streams,
}

/// The streams of a connection, by numbers that never return: one that was dropped stops no other work.
#[derive(Debug, Default)]
struct Streams {
    last: AtomicU64,
    /// The one that runs; 0 if none does.
    running: AtomicU64,
    /// The one that was dropped last.
    dropped: AtomicU64,
}

impl InlineBudget {
    /// Installs the budget on a connection, without a deadline.
    pub(super) fn new(sqlite: &Sqlite, busy_timeout: Duration) -> rusqlite::Result<Arc<Self>> {
        let inline_budget = Arc::new(Self {
            origin: Instant::now(),
            deadline: AtomicU64::new(0),
            has_interrupted: AtomicBool::new(false),
            busy_timeout,
            streams: Streams::default(),
        });
        let held = Arc::clone(&inline_budget);
        sqlite.progress_handler(STEPS, Some(move || held.is_past_deadline() || held.is_stream_dropped()))?;
        Ok(inline_budget)
    }

    /// Called by SQLite's progress handler; true interrupts the statement.
    fn is_past_deadline(&self) -> bool {
        let deadline = self.deadline.load(Ordering::Relaxed);
        let is_past_deadline = deadline > 0 && self.origin.elapsed().as_nanos() as u64 >= deadline;
        if is_past_deadline {
            self.has_interrupted.store(true, Ordering::Relaxed);
        }
        is_past_deadline
    }

    /// Returns the number of a new stream.
    pub(super) fn new_stream(&self) -> u64 {
        self.streams.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Runs the statement of a stream, until it is dropped.
    pub(super) fn run_stream<T>(&self, number: u64, run: impl FnOnce() -> T) -> T {
        self.streams.running.store(number, Ordering::Relaxed);
        let outcome = run();
        self.streams.running.store(0, Ordering::Relaxed);
        outcome
    }

    /// Interrupts the statement of a stream, whether it runs or will run.
    pub(super) fn drop_stream(&self, number: u64) {
        self.streams.dropped.store(number, Ordering::Relaxed);
    }

    /// Called by SQLite's progress handler; true interrupts the statement.
    fn is_stream_dropped(&self) -> bool {
        let running = self.streams.running.load(Ordering::Relaxed);
        running > 0 && running == self.streams.dropped.load(Ordering::Relaxed)
    }

    /// Interrupts the statements of `run` that run at `deadline`, and those that begin later.
    pub(super) fn limited<T>(&self, deadline: Instant, run: impl FnOnce() -> T) -> T {
        self.has_interrupted.store(false, Ordering::Relaxed);
        let deadline = deadline.saturating_duration_since(self.origin).as_nanos() as u64;
        self.deadline.store(deadline.max(1), Ordering::Relaxed);
        let outcome = run();
        self.deadline.store(0, Ordering::Relaxed);
        outcome
    }

    /// Returns whether it interrupted a statement since it was last set.
    pub(super) fn has_interrupted(&self) -> bool {
        self.has_interrupted.load(Ordering::Relaxed)
    }

    /// Starts the budget at `since`, or now, and disables waiting for locks.
    pub(super) fn start<'a>(
        &'a self,
        sqlite: &'a Sqlite,
        since: Option<Instant>,
    ) -> rusqlite::Result<RunningBudget<'a>> {
        let deadline = since.unwrap_or_else(Instant::now) + BUDGET - self.origin;
        self.has_interrupted.store(false, Ordering::Relaxed);
        self.deadline.store(deadline.as_nanos() as u64, Ordering::Relaxed);
        let running = RunningBudget { inline_budget: self, sqlite };
        sqlite.busy_timeout(Duration::ZERO)?;
        Ok(running)
    }
}

/// A running budget, which ends when this is dropped.
pub(super) struct RunningBudget<'a> {
    inline_budget: &'a InlineBudget,
    sqlite: &'a Sqlite,
}

impl RunningBudget<'_> {
    /// Returns whether it interrupted a statement.
    pub(super) fn has_interrupted(&self) -> bool {
        self.inline_budget.has_interrupted()
    }

    /// Returns whether the time is used up.
    pub(super) fn is_used_up(&self) -> bool {
        self.inline_budget.is_past_deadline()
    }

    /// Ends a pipeline between two statements if the time is used up.
    ///
    /// # Errors
    ///
    /// The error of an interrupted statement.
    pub(super) fn check(&self) -> Result<()> {
        match self.is_used_up() {
            true => Err(convert(SqliteError::SqliteFailure(ffi::Error::new(ffi::SQLITE_INTERRUPT), None))),
            false => Ok(()),
        }
    }
}

impl Drop for RunningBudget<'_> {
    fn drop(&mut self) {
        self.inline_budget.deadline.store(0, Ordering::Relaxed);
        // It only fails for a closed connection.
        let _ = self.sqlite.busy_timeout(self.inline_budget.busy_timeout);
    }
}

/// The pipelines that exceeded their budget, by the addresses of their texts. A text at a new address is learned again.
#[derive(Debug, Default)]
pub(super) struct SlowBatches(HashMap<(usize, usize), Slowness, FixedState>);

/// The record of a slow pipeline.
#[derive(Debug)]
enum Slowness {
    /// Slow once, perhaps because its statements were prepared for the first time.
    Suspect,
    /// Slow; the number of executions to skip.
    Slow(u8),
}

impl SlowBatches {
    /// Returns whether a pipeline should go straight to the connection's thread.
    pub(super) fn skips(&mut self, queries: &mut [&mut dyn Query]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let key = key(queries);
        match self.0.get_mut(&key) {
            Some(Slowness::Slow(0)) => {
                self.0.remove(&key);
                false
            }
            Some(Slowness::Slow(rest)) => {
                *rest -= 1;
                true
            }
            Some(Slowness::Suspect) | None => false,
        }
    }

    /// Records a pipeline that was interrupted.
    pub(super) fn add(&mut self, queries: &mut [&mut dyn Query]) {
        self.make_room();
        self.0.insert(key(queries), Slowness::Slow(SKIPPED_RUNS));
    }

    /// Records a pipeline that ended after its time, because one of its steps took long. The second time, it counts as
    /// slow.
    pub(super) fn suspect(&mut self, queries: &mut [&mut dyn Query]) {
        self.make_room();
        let length = self.0.entry(key(queries));
        length.and_modify(|length| *length = Slowness::Slow(SKIPPED_RUNS)).or_insert(Slowness::Suspect);
    }

    fn make_room(&mut self) {
        if self.0.len() >= MAX_SLOW_BATCHES {
            self.0.clear();
        }
    }
}

/// Returns the key of a pipeline. Pipelines with the same first text and number of statements count as the same.
fn key(queries: &mut [&mut dyn Query]) -> (usize, usize) {
    let count = queries.len();
    let first = queries.first_mut().map(|query| query.request().statement.sql(Dialect::Sqlite).as_ptr());
    (first.map_or(0, |text| text as usize), count)
}

/// Returns whether the texts and parameters of a pipeline are small enough to try it.
pub(super) fn is_small(queries: &mut [&mut dyn Query]) -> bool {
    let mut left = MAX_BYTES;
    queries.iter_mut().all(|query| {
        let request = query.request();
        let sizes = request.values().iter().map(|value| size(value, MAX_BYTES));
        let text = request.statement.sql(Dialect::Sqlite).len();
        left = left.saturating_sub(sizes.fold(text, usize::saturating_add));
        left > 0
    })
}

/// Returns the size of a value, without counting further than `most`.
fn size(value: &Value, most: usize) -> usize {
    match value {
        Value::Text(text) | Value::Enum(text) | Value::Json(text) => VALUE_BYTES + text.len(),
        Value::Bytes(bytes) => VALUE_BYTES + bytes.len(),
        Value::Ints(values) => VALUE_BYTES * (1 + values.len()),
        Value::Floats(values) => VALUE_BYTES * (1 + values.len()),
        Value::Bools(values) => VALUE_BYTES * (1 + values.len()),
        Value::Uuids(values) => UUID_BYTES * (1 + values.len()),
        Value::Texts(values) => {
            let sizes = values.iter().take(most / VALUE_BYTES).map(|text| VALUE_BYTES + text.len());
            sizes.fold(VALUE_BYTES * (1 + values.len()), usize::saturating_add)
        }
        // A number, or a text of at most 36 bytes.
        _ => VALUE_BYTES,
    }
}
