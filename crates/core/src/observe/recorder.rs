//! The hook through which sessions report.

use std::panic::Location;
use std::time::{Duration, Instant};

use tallybook_sql::call_site::CallSite;
use tallybook_sql::error::Error;
use tallybook_sql::query::Query;
use tracing::Span;

use crate::foreign_key::ForeignKey;

/// Receives the sessions of a database.
pub trait Observer: Send + Sync {
    /// Called when a session opens. Returns the recorder of that session, or `None` to leave it unobserved.
    fn opened(&self, session: Opened) -> Option<Box<dyn Recorder>>;

    /// Called when the foreign keys of the database have been read.
    fn foreign_keys(&self, _relations: &[ForeignKey]) {}
}

/// The null observer.
impl Observer for () {
    fn opened(&self, _session: Opened) -> Option<Box<dyn Recorder>> {
        None
    }
}

/// A session that has just opened.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// The line of code that opened it.
    pub at: &'static Location<'static>,
    /// Time spent waiting for its connection.
    pub waited: Duration,
}

/// The end of a statement that is not a [`Query`]: COMMIT or a bulk load.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// Time that the database took; `None` counts from when the statement was sent.
    pub busy: Option<Duration>,
    /// Number of rows written.
    pub rows: u64,
    /// The failure, if there was one.
    pub error: Option<&'a Error>,
}

/// Receives the events of one session, in order: sent, then answered or abandoned.
pub trait Recorder: Send {
    /// Called before a batch is sent. May ask its queries to keep keys. Returns the start of the timing, or
    /// `None` not to time the batch, and the span to run it in.
    fn sent(&mut self, queries: &mut [&mut dyn Query]) -> (Option<Instant>, Span);
    /// Called with the answers. `queries` is empty if the batch was lost with its connection.
    fn answered(&mut self, queries: &mut [&mut dyn Query], error: Option<&Error>);
    /// Called before the answers of a batch that waited for its connection after it was sent.
    fn waited(&mut self, _waited: Duration) {}
    /// Called before a statement that is not a [`Query`] is sent.
    fn sent_text(&mut self, sql: &str, call: CallSite);
    /// Called when such a statement ends.
    fn answered_text(&mut self, outcome: Outcome<'_>);
    /// Called when the caller dropped the future before the answer arrived.
    fn abandoned(&mut self);
    /// Called when the session closes. `kept` is true if its work lasts: it committed, or it only read.
    fn closed(self: Box<Self>, kept: bool);
}
