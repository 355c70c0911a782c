//! The trait that read and write sessions share.

use std::future::Future;

use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Result;
use tallybook_sql::query::{All, ReadBatch};
use tallybook_sql::row::Row;

use crate::session::{Counts, Plan, RowStream};

/// A session that can read. Code that only reads takes `&mut impl Session` and works with both
/// [`ReadSession`](crate::ReadSession) and [`WriteSession`](crate::WriteSession).
///
/// ```
/// use tallybook::{Result, Session, one, params};
///
/// async fn count(session: &mut impl Session, author: &str) -> Result<i64> {
///     let query = one::<(i64,)>("SELECT count(*) FROM notes WHERE author = $1", params![author]);
///     Ok(session.fetch(query).await?.0)
/// }
/// ```
///
/// The trait is sealed.
pub trait Session: sealed::Sealed + Send {
    /// Runs a read-only batch in one round trip.
    ///
    /// In a read session all statements of the batch see one snapshot. In a write transaction they see its
    /// own changes too; on PostgreSQL at the default isolation level, each statement there sees what others
    /// committed before it started.
    ///
    /// # Errors
    /// As [`ReadSession::run`](crate::ReadSession::run) and [`WriteSession::run`](crate::WriteSession::run).
    fn fetch<B: ReadBatch>(&mut self, batch: B) -> impl Future<Output = Result<B::Output>> + Send;

    /// Runs a query and returns its rows one by one, in bounded memory.
    ///
    /// # Errors
    /// As [`ReadSession::stream`](crate::ReadSession::stream) and
    /// [`WriteSession::stream`](crate::WriteSession::stream).
    fn stream<T: Row>(&mut self, query: All<T>) -> impl Future<Output = Result<RowStream<'_, T>>> + Send;

    /// Returns the plan that the database chooses for a statement, without running it; one round trip for
    /// each statement.
    ///
    /// # Errors
    /// The error that the database reports.
    fn explain<B: ReadBatch>(&mut self, query: B) -> impl Future<Output = Result<Plan>> + Send;

    /// Returns the statements, round trips and rows of this session so far.
    fn counts(&self) -> Counts;

    /// Returns the SQL dialect of the database.
    fn dialect(&self) -> Dialect;
}

pub(super) mod sealed {
    /// Prevents implementations outside this crate.
    pub trait Sealed {}
}
