//! Short reads run on the thread of whoever asks: the two hops to the connection's thread and back cost several
//! times what such a read does. A leash ends those that are not short, which then run on the connection's thread.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;
use rusqlite::Connection as Sqlite;

use crate::query::Query;
use crate::settings::Engine;

/// How long a task may keep its thread; tokio advises 10 to 100 microseconds between two points of waiting.
const LIMIT: Duration = Duration::from_micros(100);
/// Steps of SQLite's virtual machine between two looks at the clock: some 20 microseconds.
const STEPS: i32 = 1_000;
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
pub(super) struct LongFlights(HashMap<(usize, usize), u8, FixedState>);

impl LongFlights {
    /// Whether a flight is better not tried.
    pub(super) fn skips(&mut self, queries: &mut [&mut dyn Query]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let key = key(queries);
        match self.0.get_mut(&key) {
            Some(0) => {
                self.0.remove(&key);
                false
            }
            Some(rest) => {
                *rest -= 1;
                true
            }
            None => false,
        }
    }

    /// A flight was too long.
    pub(super) fn add(&mut self, queries: &mut [&mut dyn Query]) {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(key(queries), REST);
    }
}

/// Flights that begin with the same text and have as many statements are taken to be alike.
fn key(queries: &mut [&mut dyn Query]) -> (usize, usize) {
    let count = queries.len();
    let first = queries.first_mut().map(|query| query.request().statement.sql(Engine::Sqlite).as_ptr());
    (first.map_or(0, |text| text as usize), count)
}
