//! Cursors: the rows of one statement, fetched while they are read.
//!
//! Memory is bounded twice. An Execute of the portal returns [`FETCH_ROWS`] rows, and nothing is read from the socket while
//! rows wait to be taken. So a stream that is dropped leaves at most one Execute to be received and thrown away.

use std::task::{Context, Poll};

use postgres_protocol::message::frontend;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::driver::{PAGE_BYTES, PAGE_ROWS, Page};
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::query::{All, take_row};
use tallybook_sql::row::Row;

use super::Connection;
use super::client::{Client, Flow, Message, Protocol, ServerError, tag};
use super::error::{convert, server_error};
use super::row::values;
use super::types::Columns;

/// Name of the portal. A session has one at a time.
pub(super) const PORTAL: &str = "tallybook_rows";
/// Rows of one Execute.
const FETCH_ROWS: i32 = 1_000;

/// The rows of the open cursor. Dropping it closes the cursor.
pub struct Rows {
    client: Client,
    columns: Option<Columns>,
    state: State,
    /// True once the server has reported the end of the rows.
    is_last: bool,
    fetches: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The next Execute is to be sent.
    Idle,
    Fetching,
    Closed,
}

impl Connection {
    /// Returns the rows of the cursor that a pipeline has opened.
    pub fn rows(&mut self) -> Rows {
        Rows {
            client: self.client.share(),
            columns: self.cursor.take(),
            state: State::Idle,
            is_last: false,
            fetches: 0,
        }
    }
}

impl Rows {
    /// Returns the number of round trips so far.
    pub fn round_trips(&self) -> u64 {
        self.fetches
    }

    /// Returns the next rows, decoded by the query.
    pub fn poll_page<T: Row>(&mut self, context: &mut Context<'_>, query: &mut All<T>) -> Poll<Page<T>> {
        let end = match self.poll_rows(context, query) {
            Poll::Ready(Ok(false)) => None,
            Poll::Ready(Ok(true)) => Some(Ok(())),
            Poll::Ready(Err(error)) => {
                let statement = query.query().request().statement.clone();
                Some(Err(error.with_statement(statement.sql(Dialect::Postgres))))
            }
            Poll::Pending if query.waiting_rows() > 0 => None,
            Poll::Pending => return Poll::Pending,
        };
        if end.is_some() {
            self.close();
        }
        Poll::Ready(Page { rows: query.take_rows(), end })
    }

    /// Receives rows until a page is full. Returns true after the last one.
    fn poll_rows<T: Row>(&mut self, context: &mut Context<'_>, query: &mut All<T>) -> Poll<Result<bool>> {
        let Some(columns) = self.columns.clone() else {
            return Poll::Ready(Err(Error::new(ErrorDetail::Lost)));
        };
        let before = query.query().request().bytes;
        loop {
            match self.state {
                State::Closed => return Poll::Ready(Ok(true)),
                State::Idle => self.fetch()?,
                State::Fetching => {}
            }
            let (mut failure, mut is_full) = (None, false);
            let is_last = &mut self.is_last;
            let mut take = |message: Message<'_>| {
                match message.tag {
                    tag::ROW if failure.is_none() => {
                        let row = values(message.body, &columns)?;
                        failure = take_row(query.query(), &row, message.body.len() as u64).err();
                        let bytes = query.query().request().bytes - before;
                        is_full = query.waiting_rows() >= PAGE_ROWS || bytes >= PAGE_BYTES;
                    }
                    tag::COMMAND_COMPLETE | tag::EMPTY_QUERY => *is_last = true,
                    tag::ERROR => {
                        let error = server_error(&ServerError::parse(message.body));
                        failure.get_or_insert(error);
                    }
                    _ => {}
                }
                Ok(if is_full || failure.is_some() { Flow::Break } else { Flow::Continue })
            };
            let answered = self.client.poll_answers(context, &mut take);
            if let Some(error) = failure {
                return Poll::Ready(Err(error));
            }
            match answered {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(convert(error))),
                Poll::Ready(Ok(())) if is_full => return Poll::Ready(Ok(false)),
                Poll::Ready(Ok(())) if self.is_last => return Poll::Ready(Ok(true)),
                Poll::Ready(Ok(())) => self.state = State::Idle,
            }
        }
    }

    /// Writes the request for the next rows.
    fn fetch(&mut self) -> Result<()> {
        let request =
            self.client.request(Protocol::Extended, |output| frontend::execute(PORTAL, FETCH_ROWS, output));
        request.map_err(convert)?;
        self.state = State::Fetching;
        self.fetches += 1;
        Ok(())
    }

    /// Writes the Close of the portal. Its answer comes before that of the next request; if the transaction has failed,
    /// the portal is gone with it.
    fn close(&mut self) {
        if std::mem::replace(&mut self.state, State::Closed) == State::Closed {
            return;
        }
        let mut wire = self.client.wire();
        // The name has no zero byte.
        if frontend::close(b'P', PORTAL, wire.output()).is_ok() {
            wire.sync();
        }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.close();
    }
}
