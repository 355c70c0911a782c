//! Streams: the rows of a query one by one, in bounded memory.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use std::vec;

use futures_util::Stream;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::query::All;
use tallybook_sql::row::Row;

use super::pipeline::SessionConnection;
use crate::driver::Rows;

/// The session of a stream.
pub(super) trait StreamOwner: Send {
    fn connection(&mut self) -> &mut SessionConnection;
    /// Records that the stream failed.
    fn fail(&mut self, error: &Error);
}

/// The rows of a query, one by one, from [`ReadSession::stream`](crate::ReadSession::stream) and
/// [`WriteSession::stream`](crate::WriteSession::stream). It is a [`Stream`] too.
///
/// At most about a thousand rows are in memory: pages of up to 256 rows or 64 KiB, and what the network holds. A slow reader
/// slows the database down instead of filling memory. Nothing follows an error.
///
/// Dropping it stops the query and leaves the session usable. The monitor counts the rows that were taken, and the time in
/// which the caller waited for them.
pub struct RowStream<'s, T: Row> {
    session: &'s mut dyn StreamOwner,
    query: All<T>,
    rows: Rows<T>,
    /// Received rows that were not taken yet.
    page: vec::IntoIter<T>,
    taken: u64,
    /// The end that comes after the page.
    end: Option<Result<()>>,
    is_over: bool,
    waited: Duration,
    waiting_since: Option<Instant>,
}

impl<'s, T: Row> RowStream<'s, T> {
    /// Returns the rows of a query whose cursor is open.
    pub(super) fn open(session: &'s mut dyn StreamOwner, mut query: All<T>, read_only: bool) -> Result<Self> {
        let rows = match session.connection().pooled.rows(&mut query, read_only) {
            Ok(rows) => rows,
            Err(error) => {
                session.fail(&error);
                session.connection().end_stream(query.query(), (0, 0), Duration::ZERO, Some(&error));
                return Err(error);
            }
        };
        Ok(Self {
            session,
            query,
            rows,
            page: Vec::new().into_iter(),
            taken: 0,
            end: None,
            is_over: false,
            waited: Duration::ZERO,
            waiting_since: None,
        })
    }

    /// Returns the next row, or `None` after the last one. May be dropped at any point: no row is lost.
    ///
    /// # Errors
    /// The error that the database reports, or a row that does not match its struct. The rows before it were returned, except that
    /// PostgreSQL reports a failure ahead of up to 1,000 rows that it had computed. In a write session the transaction can
    /// then only be rolled back.
    pub async fn next(&mut self) -> Option<Result<T>> {
        poll_fn(|context| self.poll_row(context)).await
    }

    fn poll_row(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        loop {
            if let Some(row) = self.page.next() {
                self.taken += 1;
                return Poll::Ready(Some(Ok(row)));
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            if let Some(end) = self.end.take() {
                return Poll::Ready(self.finish(end).err().map(Err));
            }
            let since = *self.waiting_since.get_or_insert_with(Instant::now);
            let page = ready!(self.rows.poll_page(context, &mut self.query));
            self.waited += since.elapsed();
            self.waiting_since = None;
            self.page = page.rows.into_iter();
            self.end = page.end;
        }
    }

    /// Reports the end, and ends the session's transaction if it is a failure.
    fn finish(&mut self, end: Result<()>) -> Result<()> {
        let end = self.session.connection().pooled.end_rows(end);
        if let Err(error) = &end {
            self.session.fail(error);
        }
        self.report(end.as_ref().err());
        end
    }

    fn report(&mut self, error: Option<&Error>) {
        self.is_over = true;
        let counts = (self.taken, self.rows.round_trips());
        self.session.connection().end_stream(self.query.query(), counts, self.waited, error);
    }
}

impl<T: Row> Drop for RowStream<'_, T> {
    fn drop(&mut self) {
        if !self.is_over {
            self.report(None);
        }
    }
}

/// No field is pinned.
impl<T: Row> Unpin for RowStream<'_, T> {}

impl<T: Row> Stream for RowStream<'_, T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        self.get_mut().poll_row(context)
    }
}

impl<T: Row> fmt::Debug for RowStream<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").field("taken", &self.taken).finish_non_exhaustive()
    }
}
