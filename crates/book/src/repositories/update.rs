//! Updates and deletions of one row, and the check that it is still what was read.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use chrono::{DateTime, Utc};
use tallybook_engine::{
    Batch, Call, Encode, Engine, Execute, Optional, Session, Statement, Value, WriteSession, execute, now,
    optional, params,
};

use crate::changes::{Assignments, Changes};
use crate::error::{Error, Result};
use crate::ids::Id;
use crate::table::{Table, Touched};

/// An update of a row, made by [`Repository::update`](crate::Repository::update). It runs when it is awaited.
#[must_use = "an update runs when it is awaited"]
pub struct Update<'s, T: Table> {
    target: Target<'s, T>,
    changes: T::Changes,
}

/// The deletion of a row, made by [`Repository::delete`](crate::Repository::delete). It runs when it is awaited.
#[must_use = "a deletion runs when it is awaited"]
pub struct Delete<'s, T: Table> {
    target: Target<'s, T>,
}

impl<T: Touched> Update<'_, T> {
    /// Changes the row only if nobody changed it since it was read: if its `updated_at` is still the one given. Each
    /// update makes that later, so of two writers that read the same row one succeeds.
    ///
    /// # Errors
    /// [`Error::is_stale`] if it was changed. Nothing was written then, and the transaction goes on: read the row
    /// again, and decide again.
    pub fn expecting(mut self, updated_at: DateTime<Utc>) -> Self {
        self.target.expected = Some(updated_at);
        self
    }
}

impl<T: Touched> Delete<'_, T> {
    /// Deletes the row only if nobody changed it since it was read: if its `updated_at` is still the one given.
    ///
    /// # Errors
    /// [`Error::is_stale`] if it was changed. Nothing was deleted then, and the transaction goes on.
    pub fn expecting(mut self, updated_at: DateTime<Utc>) -> Self {
        self.target.expected = Some(updated_at);
        self
    }
}

impl<'s, T: Table> Update<'s, T> {
    pub(super) fn new(session: &'s mut WriteSession, id: T::Id, changes: T::Changes, call: Call) -> Self {
        Self { target: Target { session, id, expected: None, call }, changes }
    }

    async fn run(self) -> Result<T> {
        let Self { target, changes } = self;
        let assignments = changes.into_assignments();
        if assignments.is_empty() {
            return target.read().await;
        }
        let query = target.update(assignments)?.called(target.call);
        match target.session.run(query).await? {
            Some(written) => Ok(written),
            None => Err(target.why_missed().await?),
        }
    }
}

impl<'s, T: Table> Delete<'s, T> {
    pub(super) fn new(session: &'s mut WriteSession, id: T::Id, call: Call) -> Self {
        Self { target: Target { session, id, expected: None, call } }
    }

    async fn run(self) -> Result<bool> {
        let target = self.target;
        let query = target.delete()?.called(target.call);
        if target.session.run(query).await? > 0 {
            return Ok(true);
        }
        match target.why_missed().await? {
            missing if missing.is_not_found() => Ok(false),
            stale => Err(stale),
        }
    }
}

impl<'s, T: Table> IntoFuture for Update<'s, T> {
    type Output = Result<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T>> + Send + 's>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<'s, T: Table> IntoFuture for Delete<'s, T> {
    type Output = Result<bool>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<bool>> + Send + 's>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<T: Table> fmt::Debug for Update<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.describe(f.debug_struct("Update"))
    }
}

impl<T: Table> fmt::Debug for Delete<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.describe(f.debug_struct("Delete"))
    }
}

/// A row to write to, and when it must have been changed last.
struct Target<'s, T: Table> {
    session: &'s mut WriteSession,
    id: T::Id,
    expected: Option<DateTime<Utc>>,
    call: Call,
}

impl<T: Table> Target<'_, T> {
    fn describe(&self, mut into: fmt::DebugStruct<'_, '_>) -> fmt::Result {
        into.field("table", &T::NAME).field("id", &self.id.get()).finish_non_exhaustive()
    }

    fn update(&self, assignments: Assignments) -> Result<Optional<T>> {
        let (mut set, mut values) = assignments.into_set_clause::<T>()?;
        if T::TOUCH {
            values.push(Value::Timestamp(now()));
            set.push_str(&touch(self.session.engine(), values.len()));
        }
        let condition = self.condition(&mut values)?;
        let sql = format!("UPDATE {} SET {set} WHERE {condition} RETURNING {}", T::NAME, T::COLUMN_LIST);
        Ok(optional(Statement::from(sql), values))
    }

    fn delete(&self) -> Result<Execute> {
        if self.expected.is_none() {
            return Ok(execute(&T::statements().delete, params![self.id]));
        }
        let mut values = Vec::new();
        let condition = self.condition(&mut values)?;
        Ok(execute(Statement::from(format!("DELETE FROM {} WHERE {condition}", T::NAME)), values))
    }

    /// By what the row is found; its values go behind those that are there.
    fn condition(&self, values: &mut Vec<Value>) -> Result<String> {
        values.push(Value::Int(self.id.get()));
        let mut condition = format!("id = ${}", values.len());
        if let Some(expected) = self.expected {
            let refused = |problem| tallybook_engine::Error::invalid_value("expected updated_at", problem);
            values.push(expected.encode().map_err(refused)?);
            condition.push_str(&is_unchanged(self.session.engine(), values.len()));
        }
        Ok(condition)
    }

    /// The row as it is, for an update without changes; with an expectation, it stays so until the transaction ends.
    async fn read(self) -> Result<T> {
        let statements = T::statements();
        let text = if self.expected.is_some() { &statements.for_update } else { &statements.by_id };
        let query = optional::<T>(text, params![self.id]).called(self.call);
        let found =
            self.session.fetch(query).await?.ok_or_else(|| Error::not_found(T::NOUN, self.id.get()))?;
        match self.expected {
            Some(expected) if found.updated_at() != Some(expected) => Err(stale(&found, expected)),
            _ => Ok(found),
        }
    }

    /// The error for a row that was not written to: it was changed, or there is none.
    async fn why_missed(self) -> Result<Error> {
        let missing = Error::not_found(T::NOUN, self.id.get());
        let Some(expected) = self.expected else { return Ok(missing) };
        let query = optional::<T>(&T::statements().by_id, params![self.id]).called(self.call);
        let found = self.session.fetch(query).await?;
        Ok(found.map_or(missing, |found| stale(&found, expected)))
    }
}

fn stale<T: Table>(found: &T, expected: DateTime<Utc>) -> Error {
    Error::stale(T::NOUN, found.id().get(), expected, found.updated_at().unwrap_or(expected))
}

/// Sets `updated_at` to a parameter, the time of now, but always to a later time than it was: two updates may come
/// within a microsecond, and clocks are set back.
fn touch(engine: Engine, now: usize) -> String {
    match engine {
        Engine::Postgres => {
            format!(", updated_at = greatest(${now}, updated_at + interval '1 microsecond')")
        }
        Engine::Sqlite => format!(", updated_at = tallybook_touched(updated_at, ${now})"),
    }
}

/// The condition that `updated_at` equals a parameter. SQLite compares by moment, since other programs spell times differently.
fn is_unchanged(engine: Engine, expected: usize) -> String {
    match engine {
        Engine::Postgres => format!(" AND updated_at = ${expected}"),
        Engine::Sqlite => format!(" AND tallybook_micros(updated_at) = tallybook_micros(${expected})"),
    }
}
