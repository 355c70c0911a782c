//! The log of the pools.

use std::panic::Location;
use std::time::Duration;

use crate::pool::Holder;
use crate::settings::Settings;

/// Something that happened in a pool.
pub(crate) enum Event<'a> {
    /// A connection was opened.
    Connected { pool: &'a str, took: Duration },
    /// A connection was handed out.
    CheckedOut { pool: &'a str, waited: Duration },
    /// A connection came back.
    Returned { pool: &'a str, held: Duration },
    /// A connection was closed.
    Closed { pool: &'a str, reason: &'static str },
    /// SQLite's write-ahead log is long; the session that has lasted longest may be what keeps it.
    LogGrew { pool: &'a str, bytes: u64, holder: Option<Holder>, others: &'a str },
    /// A session is held suspiciously long.
    Leaked { pool: &'a str, held: Duration, at: &'static Location<'static> },
}

/// Writes events to the log as the settings ask: target `tallybook::pool`.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    echo: bool,
}

impl Log {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { echo: settings.pool.echo }
    }

    pub(crate) fn on(&self, event: &Event<'_>) {
        match event {
            Event::Leaked { pool, held, at } => {
                let seconds = held.as_secs_f64();
                tracing::warn!(target: "tallybook::pool", pool, seconds, %at, "a session is held long: is it leaked?");
            }
            Event::LogGrew { pool, bytes, holder: Some(Holder { held, at }), others } => {
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

/// `at` is the oldest session of this process, `others` are other processes that read.
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
        Event::Closed { pool, reason } => tracing::info!(target: "tallybook::pool", pool, reason, "closed"),
        Event::Leaked { .. } | Event::LogGrew { .. } => {}
    }
}
