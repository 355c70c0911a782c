//! The log of the pools.

use std::panic::Location;
use std::time::Duration;

use crate::pool::ConnectionHolder;
use crate::settings::Settings;

/// An event in the life of a pool. `pool` is the name of the pool.
pub enum Event<'a> {
    /// A connection was opened.
    Connected {
        /// Name of the pool.
        pool: &'a str,
        /// Time to connect and authenticate.
        took: Duration,
    },
    /// A caller acquired a connection.
    CheckedOut {
        /// Name of the pool.
        pool: &'a str,
        /// Time that the caller waited.
        waited: Duration,
    },
    /// A connection was released.
    Returned {
        /// Name of the pool.
        pool: &'a str,
        /// Time since it was acquired.
        held: Duration,
    },
    /// A connection was closed.
    Closed {
        /// Name of the pool.
        pool: &'a str,
        /// Text of the [`CloseReason`](crate::CloseReason).
        reason: &'static str,
    },
    /// SQLite's write-ahead log has grown large; a long read session prevents its truncation.
    LogGrew {
        /// Name of the pool.
        pool: &'a str,
        /// Size of the log, in bytes.
        bytes: u64,
        /// The longest session of this process, if there is one.
        holder: Option<ConnectionHolder>,
        /// Other processes that are reading, for the message.
        others: &'a str,
    },
    /// A session lasted longer than the leak threshold.
    Leaked {
        /// Name of the pool.
        pool: &'a str,
        /// Time since the session was opened.
        held: Duration,
        /// The line of code that opened it.
        at: &'static Location<'static>,
    },
}

/// Writes pool events to the log, target `tallybook::pool`, as the settings ask.
#[derive(Clone, Debug)]
pub struct Log {
    echo: bool,
}

impl Log {
    /// Creates a log. It writes warnings always, and every event if `DB_ECHO_POOL` is set.
    pub fn new(settings: &Settings) -> Self {
        Self { echo: settings.pool.echo }
    }

    /// Writes an event to the log.
    pub fn on(&self, event: &Event<'_>) {
        match event {
            Event::Leaked { pool, held, at } => {
                let seconds = held.as_secs_f64();
                tracing::warn!(target: "tallybook::pool", pool, seconds, %at, "a session is held long: is it leaked?");
            }
            Event::LogGrew { pool, bytes, holder: Some(ConnectionHolder { held, at }), others } => {
                let seconds = held.as_secs_f64();
                tracing::warn!(target: "tallybook::pool", pool, bytes, seconds, %at, others, "{LOG_GREW}");
            }
            Event::LogGrew { pool, bytes, holder: None, others } => {
                tracing::warn!(target: "tallybook::pool", pool, bytes, others, "{LOG_GREW}");
            }
            event if self.echo => echo(event),
            _ => {}
        }
    }
}

/// `at` is the oldest session of this process; `others` are other processes that are reading.
const LOG_GREW: &str = "the write-ahead log is long: a read does not end";

fn echo(event: &Event<'_>) {
    let ms = |duration: &Duration| duration.as_secs_f64() * 1e3;
    match event {
        Event::Connected { pool, took } => {
            tracing::info!(target: "tallybook::pool", pool, ms = ms(took), "connected");
        }
        Event::CheckedOut { pool, waited } => {
            tracing::info!(target: "tallybook::pool", pool, ms = ms(waited), "checked out");
        }
        Event::Returned { pool, held } => {
            tracing::info!(target: "tallybook::pool", pool, ms = ms(held), "returned");
        }
        Event::Closed { pool, reason } => {
            tracing::info!(target: "tallybook::pool", pool, reason, "closed");
        }
        Event::Leaked { .. } | Event::LogGrew { .. } => {}
    }
}
