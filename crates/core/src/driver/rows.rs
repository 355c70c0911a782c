//! The rows of a stream, on both dialects.

use std::task::{Context, Poll};

use tallybook_sql::driver::Page;
use tallybook_sql::error::Result;
use tallybook_sql::query::All;
use tallybook_sql::row::Row;

use super::{Connection, Link};
use crate::{postgres, sqlite};

/// The rows of a statement whose cursor is open. Dropping it closes the cursor.
pub(crate) enum Rows<T> {
    /// From the connection's thread.
    Sqlite(sqlite::Rows<T>),
    /// From a cursor of the server.
    Postgres(postgres::Rows),
}

impl Connection {
    /// Returns the rows of a query that was executed with
    /// [`opens_cursor`](tallybook_sql::transaction::TransactionFraming::opens_cursor).
    pub(crate) fn rows<T: Row>(&mut self, query: &mut All<T>, read_only: bool) -> Result<Rows<T>> {
        match &mut self.link {
            Link::Sqlite(connection) => connection.rows(query, read_only).map(Rows::Sqlite),
            Link::Postgres(connection) => Ok(Rows::Postgres(connection.rows())),
        }
    }

    /// Remembers what the end of a stream says about the connection, and adds the server to an error.
    pub(crate) fn end_rows(&mut self, end: Result<()>) -> Result<()> {
        self.judged(end, false)
    }
}

impl<T: Row> Rows<T> {
    /// Returns the next rows.
    pub(crate) fn poll_page(&mut self, context: &mut Context<'_>, query: &mut All<T>) -> Poll<Page<T>> {
        match self {
            Rows::Sqlite(rows) => rows.poll_page(context, query),
            Rows::Postgres(rows) => rows.poll_page(context, query),
        }
    }

    /// Returns the round trips since the cursor was opened: hops to the connection's thread on SQLite.
    pub(crate) fn round_trips(&self) -> u64 {
        match self {
            Rows::Sqlite(_) => 1,
            Rows::Postgres(rows) => rows.round_trips(),
        }
    }
}
