//! What a session tells of itself.

use std::panic::Location;
use std::time::{Duration, Instant};

use tracing::Span;

use crate::call::Call;
use crate::error::Error;
use crate::query::Query;

/// Listens to sessions.
pub(crate) trait Observer: Send + Sync {
    /// A session was opened; the journal to write what it does into, if anybody wants to know.
    fn opened(&self, session: Opened) -> Option<Box<dyn Journal>>;
}

/// A session that was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened {
    /// The line of code that asked for it.
    pub(crate) at: &'static Location<'static>,
    /// How long it waited for its connection.
    pub(crate) waited: Duration,
}

/// How a statement that is no query ended: a COMMIT, a bulk load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome<'a> {
    /// The time that the database took; none for all since it was sent.
    pub(crate) busy: Option<Duration>,
    pub(crate) rows: u64,
    pub(crate) error: Option<&'a Error>,
}

/// What one session does, in its order: something is sent, then it is answered or abandoned.
pub(crate) trait Journal: Send {
    /// A batch is about to be sent. May ask its requests to keep keys; says since when to time it, and the
    /// span to run it in.
    fn sent(&mut self, queries: &mut [&mut dyn Query]) -> (Option<Instant>, Span);
    /// It was answered. No queries, when the connection took them along.
    fn answered(&mut self, queries: &mut [&mut dyn Query], error: Option<&Error>);
    /// A statement that is no query is about to be sent.
    fn sent_text(&mut self, sql: &str, call: Call);
    /// It was answered.
    fn answered_text(&mut self, outcome: Outcome<'_>);
    /// Nobody waits any more for what was sent.
    fn abandoned(&mut self);
    /// The session is over; `kept` says whether what it did lasts.
    fn closed(self: Box<Self>, kept: bool);
}
