//! The writes that the current task is inside of.
//!
//! A write inside another of the same database and task is a mistake for certain: it is a transaction of its own,
//! which stays when the outer one fails, and where it needs what the outer one has locked, each waits for the other.
//! What merely runs beside a write is none: futures that are joined in one task, and tasks that a write spawns.

use std::future::Future;
use std::panic::Location;

use smallvec::SmallVec;
use tokio::task;

use crate::error::{Error, Kind, Result};

tokio::task_local! {
    static WRITES: Writes;
}

/// The outermost first; one for each database.
type Writes = SmallVec<[Write; 1]>;

#[derive(Clone, Copy)]
struct Write {
    /// The address of the database, which outlives the write.
    database: usize,
    /// Futures of other tasks can be polled inside a write's: those of a `LocalSet`.
    task: Option<task::Id>,
    at: &'static Location<'static>,
}

/// Runs `work` as the inside of a write of a database, begun by a line of code.
pub(crate) fn inside_write<F: Future>(
    database: usize,
    at: &'static Location<'static>,
    work: F,
) -> impl Future<Output = F::Output> {
    let mut writes = WRITES.try_with(Clone::clone).unwrap_or_default();
    writes.push(Write { database, task: task::try_id(), at });
    WRITES.scope(writes, work)
}

/// Refuses to write to a database inside a write of the same one.
pub(crate) fn refuse_nested_write(database: usize, inner: Option<&'static Location<'static>>) -> Result<()> {
    let task = task::try_id();
    let is_outer = |write: &&Write| write.database == database && write.task == task;
    let outer = WRITES.try_with(|writes| writes.iter().find(is_outer).map(|write| write.at));
    match outer.ok().flatten() {
        Some(outer) => Err(Error::new(Kind::NestedWrite { inner, outer })),
        None => Ok(()),
    }
}
