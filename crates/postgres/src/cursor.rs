//! Cursors: the rows of one statement, fetched while they are read.
//!
//! Memory is bounded twice. A FETCH returns [`FETCH_ROWS`] rows, and tokio-postgres reads no further from the socket while
//! rows wait to be taken. So a stream that is dropped leaves at most one FETCH to be received and thrown away.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::{FutureExt, Stream};
use tallybook_sql::dialect::Dialect;
use tallybook_sql::driver::{PAGE_BYTES, PAGE_ROWS, Page};
use tallybook_sql::error::Result;
use tallybook_sql::query::{All, take_row};
use tallybook_sql::row::Row;
use tokio_postgres::{Client, RowStream};

use super::Connection;
use super::error::convert;
use super::param::Param;
use super::pipeline::check_and_sample;
use super::row::values;

/// Rows of one FETCH.
const FETCH_ROWS: usize = 1_000;
const FETCH: &str = "FETCH FORWARD 1000 FROM tallybook_rows";
const CLOSE: &str = "CLOSE tallybook_rows";

type Fetching = Pin<Box<dyn Future<Output = Result<RowStream, tokio_postgres::Error>> + Send>>;

/// The rows of the open cursor. Dropping it closes the cursor.
pub struct Rows {
    client: Arc<Client>,
    state: State,
    /// Rows of the current FETCH so far.
    fetched: usize,
    columns_known: bool,
    fetches: u64,
}

enum State {
    /// The next FETCH is to be sent.
    Idle,
    Fetching(Fetching),
    Receiving(Pin<Box<RowStream>>),
    Closed,
}

impl Connection {
    /// Returns the rows of the cursor that a pipeline has opened.
    pub fn rows(&self) -> Rows {
        Rows {
            client: Arc::clone(&self.client),
            state: State::Idle,
            fetched: 0,
            columns_known: false,
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
        let before = query.query().request().bytes;
        loop {
            let step = self.poll_row(context, query);
            let is_full =
                query.waiting_rows() >= PAGE_ROWS || query.query().request().bytes - before >= PAGE_BYTES;
            match step {
                Poll::Ready(Ok(true)) if is_full => {
                    return Poll::Ready(Page { rows: query.take_rows(), end: None });
                }
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(end) => {
                    self.close();
                    let sql = query.query().request().statement.clone();
                    let end = end.map(drop).map_err(|error| error.with_statement(sql.sql(Dialect::Postgres)));
                    return Poll::Ready(Page { rows: query.take_rows(), end: Some(end) });
                }
                Poll::Pending if query.waiting_rows() > 0 => {
                    return Poll::Ready(Page { rows: query.take_rows(), end: None });
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Receives a row. Returns false after the last one.
    fn poll_row<T: Row>(&mut self, context: &mut Context<'_>, query: &mut All<T>) -> Poll<Result<bool>> {
        loop {
            self.state = match &mut self.state {
                State::Closed => return Poll::Ready(Ok(false)),
                State::Idle => {
                    let client = Arc::clone(&self.client);
                    self.fetches += 1;
                    self.fetched = 0;
                    let no_params: [(Param<'_>, _); 0] = [];
                    State::Fetching(Box::pin(async move { client.query_typed_raw(FETCH, no_params).await }))
                }
                State::Fetching(fetching) => {
                    State::Receiving(Box::pin(ready!(fetching.as_mut().poll(context)).map_err(convert)?))
                }
                State::Receiving(rows) => match ready!(rows.as_mut().poll_next(context)) {
                    None if self.fetched < FETCH_ROWS => return Poll::Ready(Ok(false)),
                    None => State::Idle,
                    Some(row) => {
                        let row = row.map_err(convert)?;
                        self.fetched += 1;
                        if !self.columns_known {
                            check_and_sample(row.columns(), query.query())?;
                            self.columns_known = true;
                        }
                        take_row(query.query(), &values(&row), row.raw_size_bytes() as u64)?;
                        return Poll::Ready(Ok(true));
                    }
                },
            };
        }
    }

    /// Sends the CLOSE of the cursor. Its answer comes before that of the next request; if the transaction has failed,
    /// the cursor is gone with it.
    fn close(&mut self) {
        if !matches!(self.state, State::Closed) {
            self.state = State::Closed;
            let _ = self.client.batch_execute(CLOSE).now_or_never();
        }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.close();
    }
}
