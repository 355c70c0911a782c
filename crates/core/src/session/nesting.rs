//! Detection of nested writes.
//!
//! A write inside another write of the same database and task is a mistake. It is an independent transaction,
//! which stays committed when the outer one fails, and the two deadlock as soon as they need the same lock.
//! Writes that merely run concurrently are fine: futures joined in one task, and tasks spawned by a write.

use std::future::Future;
use std::panic::Location;

use smallvec::SmallVec;
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tokio::task;

tokio::task_local! {
    static WRITES: Writes;
}

/// Enclosing writes, outermost first; one per database.
type Writes = SmallVec<[Write; 1]>;

#[derive(Clone, Copy)]
struct Write {
    /// Address of the database, which outlives the write.
    database: usize,
    /// A `LocalSet` may poll futures of other tasks inside a write.
    task: Option<task::Id>,
    at: &'static Location<'static>,
}

/// Runs `work` as the body of a write that the line `at` began.
pub(crate) fn inside_write<F: Future>(
    database: usize,
    at: &'static Location<'static>,
    work: F,
) -> impl Future<Output = F::Output> {
    let mut writes = WRITES.try_with(Clone::clone).unwrap_or_default();
    writes.push(Write { database, task: task::try_id(), at });
    WRITES.scope(writes, work)
}

/// Fails inside a write to the same database.
///
/// # Errors
/// [`Error::is_nested_write`].
pub fn refuse_nested_write(database: usize, inner: Option<&'static Location<'static>>) -> Result<()> {
    let task = task::try_id();
    let is_outer = |write: &&Write| write.database == database && write.task == task;
    let outer = WRITES.try_with(|writes| writes.iter().find(is_outer).map(|write| write.at));
    match outer.ok().flatten() {
        Some(outer) => Err(Error::new(ErrorDetail::NestedWrite { inner, outer })),
        None => Ok(()),
    }
}
