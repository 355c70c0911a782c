//! Relative targets of runs whose end nobody was told.
//!
//! `downgrade -1` means another revision once it is done. So a run with a relative target records which revision that
//! is before it changes anything, and forgets it after it told its end. The same command, run again after it was
//! killed, leads to the recorded revision and never further.

use chrono::{DateTime, Utc};

use super::catalog::{self, fetch};
use super::goal::Goal;
use super::history::History;
use super::name::Name;
use super::revision::Revision;
use super::step::Direction;
use crate::driver::Connection;
use crate::error::{Error, Result};
use crate::query::{Execute, all, execute};
use crate::value::now;
use crate::{Row, params};

const TABLE: &str = "tallybook_pending";

/// Where a run is to end: a number of applied revisions, resolved once, before it waits for others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) position: usize,
    /// The relative target it was resolved from, unless an earlier run recorded it.
    pub(super) steps: Option<i32>,
    /// When an earlier run with the same target began that did not tell its end.
    pub(super) resumed: Option<DateTime<Utc>>,
}

/// What an earlier run recorded.
#[derive(Clone, Debug, Row)]
struct Pending {
    steps: i64,
    origin: Option<String>,
    target: Option<String>,
    at: DateTime<Utc>,
}

/// The position that a goal stands for.
pub(super) async fn resolve(
    connection: &mut Connection,
    name: Name<'_>,
    revisions: &[Revision],
    history: &History,
    goal: &Goal,
    direction: Direction,
) -> Result<Target> {
    let at = history.position(direction);
    if let Goal::Steps(steps) = *goal
        && let Some(pending) = find(connection, name).await?
        && let Some((origin, position)) = pending.positions(revisions)
        && (origin.min(position)..=origin.max(position)).contains(&at)
    {
        if pending.steps != i64::from(steps) {
            return Err(pending.in_the_way(steps, revisions, origin, position));
        }
        return Ok(Target { position, steps: None, resumed: Some(pending.at) });
    }
    let steps = match goal {
        Goal::Steps(steps) => Some(*steps),
        _ => None,
    };
    Ok(Target { position: goal.position(revisions, at)?, steps, resumed: None })
}

/// Whether a run did not tell its end.
pub(super) async fn is_there(connection: &mut Connection, name: Name<'_>) -> Result<bool> {
    Ok(find(connection, name).await?.is_some())
}

/// What an earlier run recorded, if it did not tell its end.
async fn find(connection: &mut Connection, name: Name<'_>) -> Result<Option<Pending>> {
    if !catalog::tables(connection).await?.iter().any(|table| table == TABLE) {
        return Ok(None);
    }
    let sql = "SELECT steps, origin, target, at FROM tallybook_pending WHERE history = $1";
    Ok(fetch(connection, all::<Pending>(sql, params![name.0.to_owned()])).await?.pop())
}

impl Pending {
    /// Where the run came from and where it goes, unless these revisions have no such place any more.
    fn positions(&self, revisions: &[Revision]) -> Option<(usize, usize)> {
        let position = |id: &Option<String>| match id {
            None => Some(0),
            Some(id) => revisions.iter().position(|revision| revision.id == id).map(|index| index + 1),
        };
        Some((position(&self.origin)?, position(&self.target)?))
    }

    fn in_the_way(&self, steps: i32, revisions: &[Revision], origin: usize, position: usize) -> Error {
        let (finish, turn) = match position < origin {
            true => ("downgrade", "upgrade"),
            false => ("upgrade", "downgrade"),
        };
        Error::revision(format!(
            "{steps:+} has no sure meaning: a run to {:+}, which is revision {}, began at {} and did not tell its end. \
             Finish it with `tallybook migrate {finish} {}`, or turn it round with `tallybook migrate {turn} {}`",
            self.steps,
            place(revisions, position),
            self.at.format("%F %T UTC"),
            place(revisions, position),
            place(revisions, origin),
        ))
    }
}

/// What a person types to get to a position.
pub(super) fn place(revisions: &[Revision], position: usize) -> &'static str {
    position.checked_sub(1).map_or("base", |last| revisions[last].id)
}

/// The statement that records what a relative target is.
pub(super) fn record(
    name: Name<'_>,
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

/// The statement that forgets a relative target: its run told its end, or another one did.
pub(super) fn forget(name: Name<'_>) -> Execute {
    execute("DELETE FROM tallybook_pending WHERE history = $1", params![name.0.to_owned()])
}
