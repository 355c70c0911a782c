//! Relative targets of interrupted runs.
//!
//! `downgrade -1` means another revision once it is done. So a run with a relative target records the resolved
//! revision before it changes anything, and deletes that record after it reported its end. The same command,
//! repeated after it was killed, leads to the recorded revision and never further.

use chrono::{DateTime, Utc};
use tallybook_core::driver::Connection;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::query::{Execute, all, execute};
use tallybook_sql::value::now;
use tallybook_sql::{Row, params};

use crate::catalog::{self, fetch};
use crate::history::History;
use crate::history::history_name::HistoryName;
use crate::steps::revision::Revision;
use crate::steps::step::Direction;
use crate::target::Target;

const TABLE: &str = "tallybook_pending";

/// The target of a run: a number of applied revisions, resolved once, before it waits for others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResolvedTarget {
    pub(crate) position: usize,
    /// The relative target it was resolved from, unless an earlier run recorded it.
    pub(crate) steps: Option<i32>,
    /// The start time of an interrupted run with the same target.
    pub(crate) resumed: Option<DateTime<Utc>>,
}

/// The record of an earlier run.
#[derive(Clone, Debug, Row)]
struct Pending {
    steps: i64,
    origin: Option<String>,
    target: Option<String>,
    at: DateTime<Utc>,
}

/// Resolves a target to a position.
pub(crate) async fn resolve(
    connection: &mut Connection,
    name: HistoryName<'_>,
    revisions: &[Revision],
    history: &History,
    target: &Target,
    direction: Direction,
) -> Result<ResolvedTarget> {
    let at = history.position(direction);
    if let Target::Steps(steps) = *target
        && let Some(pending) = find(connection, name).await?
        && let Some((origin, position)) = pending.resolve(revisions)
        && (origin.min(position)..=origin.max(position)).contains(&at)
    {
        if pending.steps != i64::from(steps) {
            return Err(pending.conflict(steps, revisions, origin, position));
        }
        return Ok(ResolvedTarget { position, steps: None, resumed: Some(pending.at) });
    }
    let steps = match target {
        Target::Steps(steps) => Some(*steps),
        _ => None,
    };
    Ok(ResolvedTarget { position: target.position(revisions, at)?, steps, resumed: None })
}

/// Returns whether an interrupted run left a record.
pub(crate) async fn is_recorded(connection: &mut Connection, name: HistoryName<'_>) -> Result<bool> {
    Ok(find(connection, name).await?.is_some())
}

/// Reads the record of an interrupted run.
async fn find(connection: &mut Connection, name: HistoryName<'_>) -> Result<Option<Pending>> {
    if !catalog::tables(connection).await?.iter().any(|table| table == TABLE) {
        return Ok(None);
    }
    let sql = "SELECT steps, origin, target, at FROM tallybook_pending WHERE history = $1";
    Ok(fetch(connection, all::<Pending>(sql, params![name.0.to_owned()])).await?.pop())
}

impl Pending {
    /// Returns the start and end positions of the run; `None` if these revisions no longer have them.
    fn resolve(&self, revisions: &[Revision]) -> Option<(usize, usize)> {
        let position = |id: &Option<String>| match id {
            None => Some(0),
            Some(id) => revisions.iter().position(|revision| revision.id == id).map(|index| index + 1),
        };
        Some((position(&self.origin)?, position(&self.target)?))
    }

    fn conflict(&self, steps: i32, revisions: &[Revision], origin: usize, position: usize) -> Error {
        let (finish, turn) = match position < origin {
            true => ("downgrade", "upgrade"),
            false => ("upgrade", "downgrade"),
        };
        Error::revision(format!(
            "{steps:+} is ambiguous: a run to {:+}, which is revision {}, began at {} and was interrupted. \
             Finish it with `tallybook migrate {finish} {}`, or reverse it with `tallybook migrate {turn} {}`",
            self.steps,
            target_name(revisions, position),
            self.at.format("%F %T UTC"),
            target_name(revisions, position),
            target_name(revisions, origin),
        ))
    }
}

/// Returns the target to type on the command line for a position.
pub(crate) fn target_name(revisions: &[Revision], position: usize) -> &'static str {
    position.checked_sub(1).map_or("base", |last| revisions[last].id)
}

/// Returns the statement that records the resolved target.
pub(crate) fn record(
    name: HistoryName<'_>,
    revisions: &[Revision],
    steps: i32,
    origin: usize,
    position: usize,
) -> Execute {
    let id = |position: usize| position.checked_sub(1).map(|last| revisions[last].id);
    execute(
        "INSERT INTO tallybook_pending (history, steps, origin, target, at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (history) DO UPDATE SET steps = excluded.steps, origin = excluded.origin, \
         target = excluded.target, at = excluded.at",
        params![name.0.to_owned(), i64::from(steps), id(origin), id(position), now()],
    )
}

/// Returns the statement that deletes the record.
pub(crate) fn forget(name: HistoryName<'_>) -> Execute {
    execute("DELETE FROM tallybook_pending WHERE history = $1", params![name.0.to_owned()])
}
