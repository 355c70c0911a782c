//! Short work runs on the thread of whoever asks: the two hops to the connection's thread and back cost several times
//! what a short read does. A leash breaks off what is not short, and it runs again, whole, on the connection's thread.
//!
//! So only that runs on a leash which can be run again: reads, and inserts of which the whole transaction is in the
//! flight, because SQLite rolls back a transaction in which a write is interrupted. Two things bound the time:
//! SQLite's progress handler looks at the clock every thousand steps of its virtual machine, and so does the flight
//! between two statements; and a flight whose texts and parameters have more than [`MAX_BYTES`] is not tried. One step
//! that makes or reads a value of megabytes is bounded by neither: after the second time its flight is not tried either.
//! (SQLite's own limit of lengths would refuse such values, but `printf` and `format` return NULL at that limit.)

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;
use rusqlite::{Connection as Sqlite, Error as SqliteError, ffi};

use super::error::convert;
use crate::error::Result;
use crate::query::Query;
use crate::settings::Engine;
use crate::value::Value;

/// How long a task may keep its thread; tokio advises 10 to 100 microseconds between two points of waiting.
const LIMIT: Duration = Duration::from_micros(100);
/// Steps of SQLite's virtual machine between two looks at the clock: some 20 microseconds.
const STEPS: i32 = 1_000;
/// The size of a flight's texts and parameters together. To copy so much takes a few microseconds.
const MAX_BYTES: usize = 16 << 10;
/// What a value takes beside its bytes.
const VALUE_BYTES: usize = 16;
/// How often a flight that was too long goes to the connection's thread at once, before it is tried again.
const REST: u8 = 32;
/// Flights that are known to be long.
const MOST: usize = 1_024;

/// Ends what takes too long.
#[derive(Debug)]
pub(super) struct Leash {
    origin: Instant,
    /// Nanoseconds from the origin to the end; 0 where it is slack.
    end: AtomicU64,
    was_pulled: AtomicBool,
    /// How long the connection waits for locks while it is slack.
    busy_timeout: Duration,
}

impl Leash {
    /// A leash for a connection, slack at first.
    pub(super) fn new(sqlite: &Sqlite, busy_timeout: Duration) -> rusqlite::Result<Arc<Self>> {
        let leash = Arc::new(Self {
            origin: Instant::now(),
            end: AtomicU64::new(0),
            was_pulled: AtomicBool::new(false),
            busy_timeout,
        });
        let held = Arc::clone(&leash);
        sqlite.progress_handler(STEPS, Some(move || held.is_at_end()))?;
        Ok(leash)
    }

    /// Called by SQLite as it runs; true ends the statement.
    fn is_at_end(&self) -> bool {
        let end = self.end.load(Ordering::Relaxed);
        let is_at_end = end > 0 && self.origin.elapsed().as_nanos() as u64 >= end;
        if is_at_end {
            self.was_pulled.store(true, Ordering::Relaxed);
        }
        is_at_end
    }

    /// Allows what runs on the connection from `since` on so much time, and no waiting for locks.
    pub(super) fn take<'a>(
        &'a self,
        sqlite: &'a Sqlite,
        since: Option<Instant>,
    ) -> rusqlite::Result<Taken<'a>> {
        let end = since.unwrap_or_else(Instant::now) + LIMIT - self.origin;
        self.was_pulled.store(false, Ordering::Relaxed);
        self.end.store(end.as_nanos() as u64, Ordering::Relaxed);
        let taken = Taken { leash: self, sqlite };
        sqlite.busy_timeout(Duration::ZERO)?;
        Ok(taken)
    }
}

/// A leash that is taut until this is dropped.
pub(super) struct Taken<'a> {
    leash: &'a Leash,
    sqlite: &'a Sqlite,
}

impl Taken<'_> {
    /// Whether it ended something.
    pub(super) fn was_pulled(&self) -> bool {
        self.leash.was_pulled.load(Ordering::Relaxed)
    }

    /// Whether the time is over.
    pub(super) fn is_over(&self) -> bool {
        self.leash.is_at_end()
    }

    /// Ends a flight between two of its statements if the time is over.
    ///
    /// # Errors
    /// As that of a statement that was broken off.
    pub(super) fn check(&self) -> Result<()> {
        match self.is_over() {
            true => Err(convert(SqliteError::SqliteFailure(ffi::Error::new(ffi::SQLITE_INTERRUPT), None))),
            false => Ok(()),
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.leash.end.store(0, Ordering::Relaxed);
        // It fails only for a connection that is closed.
        let _ = self.sqlite.busy_timeout(self.leash.busy_timeout);
    }
}

/// The flights that were too long, by the addresses of their texts: a text that moves is found out anew.
#[derive(Debug, Default)]
pub(super) struct LongFlights(HashMap<(usize, usize), Length, FixedState>);

/// What is known of a flight.
#[derive(Debug)]
enum Length {
    /// It took long once, which may have been the first time that it was planned.
    Suspect,
    /// It is not to be tried so often.
    Long(u8),
}

impl LongFlights {
    /// Whether a flight is better not tried.
    pub(super) fn skips(&mut self, queries: &mut [&mut dyn Query]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let key = key(queries);
        match self.0.get_mut(&key) {
            Some(Length::Long(0)) => {
                self.0.remove(&key);
                false
            }
            Some(Length::Long(rest)) => {
                *rest -= 1;
                true
            }
            Some(Length::Suspect) | None => false,
        }
    }

    /// A flight was broken off.
    pub(super) fn add(&mut self, queries: &mut [&mut dyn Query]) {
        self.make_room();
        self.0.insert(key(queries), Length::Long(REST));
    }

    /// A flight came to its end after its time, because one of its steps took long; the second time it counts.
    pub(super) fn suspect(&mut self, queries: &mut [&mut dyn Query]) {
        self.make_room();
        let length = self.0.entry(key(queries));
        length.and_modify(|length| *length = Length::Long(REST)).or_insert(Length::Suspect);
    }

    fn make_room(&mut self) {
        if self.0.len() >= MOST {
            self.0.clear();
        }
    }
}

/// Flights that begin with the same text and have as many statements are taken to be alike.
fn key(queries: &mut [&mut dyn Query]) -> (usize, usize) {
    let count = queries.len();
    let first = queries.first_mut().map(|query| query.request().statement.sql(Engine::Sqlite).as_ptr());
    (first.map_or(0, |text| text as usize), count)
}

/// Whether the texts of a flight and its parameters are small enough to be tried.
pub(super) fn is_small(queries: &mut [&mut dyn Query]) -> bool {
    let mut left = MAX_BYTES;
    queries.iter_mut().all(|query| {
        let request = query.request();
        let sizes = request.values().iter().map(|value| size(value, MAX_BYTES));
        let text = request.statement.sql(Engine::Sqlite).len();
        left = left.saturating_sub(sizes.fold(text, usize::saturating_add));
        left > 0
    })
}

/// The size of a value, which is not counted further than `most`.
fn size(value: &Value, most: usize) -> usize {
    match value {
        Value::Null(_) | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Timestamp(_) => {
            VALUE_BYTES
        }
        Value::Text(text) => VALUE_BYTES + text.len(),
        Value::Bytes(bytes) => VALUE_BYTES + bytes.len(),
        Value::Ints(values) => VALUE_BYTES * (1 + values.len()),
        Value::Texts(values) => {
            let sizes = values.iter().take(most / VALUE_BYTES).map(|text| VALUE_BYTES + text.len());
            sizes.fold(VALUE_BYTES * (1 + values.len()), usize::saturating_add)
        }
    }
}
