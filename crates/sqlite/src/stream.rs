//! Streams: pages of rows from the connection's thread, through a bounded channel.
//!
//! The thread steps over the rows and waits while the channel is full, so that a stream of any length takes the memory of
//! three pages.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tallybook_sql::driver::{PAGE_BYTES, PAGE_ROWS, Page};
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::query::{All, Query, Request};
use tallybook_sql::row::{Column, KeySample, Row, RowRef};
use tokio::sync::mpsc;

use super::Connection;
use super::inline_budget::InlineBudget;
use super::pipeline::timed;

/// The rows of a stream. Dropping it stops the statement.
pub struct Rows<T> {
    pages: mpsc::Receiver<Message<T>>,
    budget: Arc<InlineBudget>,
    number: u64,
    is_over: bool,
}

struct Message<T> {
    page: Page<T>,
    bytes: u64,
    /// Sent with the last page.
    key_sample: Option<KeySample>,
}

impl Connection {
    /// Starts to run a query whose statement was checked, and returns its rows.
    ///
    /// # Errors
    ///
    /// Fails if the connection's thread is gone.
    pub fn rows<T: Row>(&mut self, query: &mut All<T>, read_only: bool) -> Result<Rows<T>> {
        let (sender, pages) = mpsc::channel(1);
        let mut sending = SendingQuery { query: query.for_thread(), pages: sender, sent_bytes: 0 };
        let (checked, budget) = (Arc::clone(&self.checked), Arc::clone(&self.inline_budget));
        let number = budget.new_stream();
        self.thread().start(move |sqlite| {
            let run = || timed(sqlite, &checked, &mut sending, read_only, &mut None);
            let outcome = budget.run_stream(number, run);
            // Nobody receives it if the stream was dropped.
            let _ = sending.send(Some(outcome));
        })?;
        Ok(Rows { pages, budget: Arc::clone(&self.inline_budget), number, is_over: false })
    }
}

impl<T: Row> Rows<T> {
    /// Returns the next rows, and adds what is known of them to the query.
    pub fn poll_page(&mut self, context: &mut Context<'_>, query: &mut All<T>) -> Poll<Page<T>> {
        let Some(message) = ready!(self.pages.poll_recv(context)) else {
            self.is_over = true;
            return Poll::Ready(Page { rows: Vec::new(), end: Some(Err(Error::new(ErrorDetail::Lost))) });
        };
        let request = query.query().request();
        request.bytes += message.bytes;
        request.key_sample = message.key_sample.or(request.key_sample.take());
        self.is_over = message.page.end.is_some();
        Poll::Ready(message.page)
    }
}

impl<T> Drop for Rows<T> {
    /// Ends the statement, even if it has not begun or one of its steps takes long.
    fn drop(&mut self) {
        if !self.is_over {
            self.pages.close();
            self.budget.drop_stream(self.number);
        }
    }
}

/// A query that sends its rows away while it runs.
struct SendingQuery<T> {
    query: All<T>,
    pages: mpsc::Sender<Message<T>>,
    sent_bytes: u64,
}

impl<T: Row> SendingQuery<T> {
    /// Sends the decoded rows; waits while the receiver has enough.
    fn send(&mut self, end: Option<Result<()>>) -> Result<()> {
        let rows = self.query.take_rows();
        let request = self.query.query().request();
        let bytes = request.bytes - self.sent_bytes;
        self.sent_bytes = request.bytes;
        let key_sample = end.as_ref().and_then(|_| request.key_sample.take());
        let message = Message { page: Page { rows, end }, bytes, key_sample };
        self.pages.blocking_send(message).map_err(|_| Error::new(ErrorDetail::Lost))
    }
}

impl<T: Row> Query for SendingQuery<T> {
    fn request(&mut self) -> &mut Request {
        self.query.query().request()
    }

    fn columns(&self) -> Option<&'static [Column]> {
        Some(T::COLUMNS)
    }

    fn has_several_rows(&self) -> bool {
        true
    }

    fn row(&mut self, row: RowRef<'_>) -> Result<()> {
        self.query.query().row(row)?;
        let bytes = self.query.query().request().bytes - self.sent_bytes;
        if self.query.waiting_rows() >= PAGE_ROWS || bytes >= PAGE_BYTES { self.send(None) } else { Ok(()) }
    }

    fn touched(&mut self, _rows: u64) {}

    fn check_rows(&self) -> Result<()> {
        Ok(())
    }

    fn reset(&mut self) {}
}
