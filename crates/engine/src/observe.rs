//! What happens, as typed events, and the log that listens to them.
//!
//! The pool and the sessions emit; nothing below knows who listens. Targets: `tallybook::query` for
//! statements, `tallybook::pool` for connections. Parameter values are never logged.

use std::panic::Location;
use std::time::Duration;

use crate::error::Error;
use crate::settings::{LogSettings, Settings};

/// Something that happened.
pub(crate) enum Event<'a> {
    /// A statement ended.
    Statement { sql: &'a str, elapsed: Duration, rows: u64 },
    /// A flight failed.
    Failed { error: &'a Error },
    /// A connection was opened.
    Connected { pool: &'static str, took: Duration },
    /// A connection was handed out.
    CheckedOut { pool: &'static str, waited: Duration },
    /// A connection came back.
    Returned { pool: &'static str, held: Duration },
    /// A connection was closed.
    Closed { pool: &'static str, reason: &'static str },
    /// A session is held suspiciously long.
    Leaked { pool: &'static str, held: Duration, at: &'static Location<'static> },
}

/// Writes events to the log as the settings ask.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    query: LogSettings,
    pool: bool,
}

impl Log {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { query: settings.log.clone(), pool: settings.pool.echo }
    }

    pub(crate) fn on(&self, event: &Event<'_>) {
        match event {
            Event::Statement { sql, elapsed, rows } => self.statement(sql, *elapsed, *rows),
            Event::Failed { error } if self.query.echo || self.query.timing => {
                tracing::info!(target: "tallybook::query", %error, "failed");
            }
            Event::Failed { .. } => {}
            Event::Leaked { pool, held, at } => {
                let seconds = held.as_secs_f64();
                tracing::warn!(target: "tallybook::pool", pool, seconds, %at, "a session is held long: is it leaked?");
            }
            _ if self.pool => pool_event(event),
            _ => {}
        }
    }

    fn statement(&self, sql: &str, elapsed: Duration, rows: u64) {
        let ms = elapsed.as_secs_f64() * 1e3;
        if elapsed >= self.query.slow_threshold {
            tracing::warn!(target: "tallybook::query", sql, ms, rows, "slow statement");
        } else if self.query.timing {
            tracing::info!(target: "tallybook::query", sql, ms, rows, "statement");
        } else if self.query.echo {
            tracing::info!(target: "tallybook::query", sql, "statement");
        }
    }
}

fn pool_event(event: &Event<'_>) {
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
        Event::Statement { .. } | Event::Failed { .. } | Event::Leaked { .. } => {}
    }
}
