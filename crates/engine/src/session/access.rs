//! What reading and writing sessions have in common.

use std::future::Future;

use crate::error::Result;
use crate::query::ReadBatch;
use crate::session::{Counts, Plan};
use crate::settings::Engine;

/// A session that reads: [`ReadSession`](crate::ReadSession) and [`WriteSession`](crate::WriteSession), so
/// that code which only reads takes either.
///
/// ```
/// use tallybook_engine::{Result, Session, one, params};
///
/// async fn count(session: &mut impl Session, author: &str) -> Result<i64> {
///     let query = one::<(i64,)>("SELECT count(*) FROM notes WHERE author = $1", params![author]);
///     Ok(session.fetch(query).await?.0)
/// }
/// ```
///
/// Sealed: it can't be implemented elsewhere.
pub trait Session: sealed::Sealed + Send {
    /// Runs a batch that only reads: one round trip.
    ///
    /// In a read session all its statements see one snapshot. In a write transaction they see what the
    /// transaction wrote; on PostgreSQL each statement there sees what others committed until it began.
    fn fetch<B: ReadBatch>(&mut self, batch: B) -> impl Future<Output = Result<B::Output>> + Send;

    /// How the database would run a statement, by its own account; one more statement and round trip.
    fn explain<B: ReadBatch>(&mut self, query: B) -> impl Future<Output = Result<Plan>> + Send;

    /// What this session did so far.
    fn counts(&self) -> Counts;

    /// Which database it talks to.
    fn engine(&self) -> Engine;
}

pub(super) mod sealed {
    pub trait Sealed {}
}
