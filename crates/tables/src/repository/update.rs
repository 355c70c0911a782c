//! Updates and deletions of one row, with optimistic locking.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use chrono::{DateTime, Utc};
use tallybook_core::{
    Batch, CallSite, Execute, Optional, Session, Value, WriteSession, execute, now, optional, params,
};

use super::{IdOf, encoded};
use crate::changes::Assignments;
use crate::error::{Error, Result};
use crate::sql;
use crate::table::{Table, Touched};

/// An update of a row, created by [`Repository::update`](crate::tables::Repository::update). Runs when awaited.
#[must_use = "an update runs when it is awaited"]
pub struct Update<'s, T: Table> {
    target: Target<'s, T>,
    changes: Assignments,
}

/// A deletion of a row, created by [`Repository::delete`](crate::tables::Repository::delete). Runs when awaited.
#[must_use = "a deletion runs when it is awaited"]
pub struct Delete<'s, T: Table> {
    target: Target<'s, T>,
}

impl<T: Touched> Update<'_, T> {
    /// Updates the row only if its `updated_at` still has this value, that is, if nobody changed it since it was
    /// read. Each update advances `updated_at`, so of two writers that read the same row one succeeds.
    ///
    /// # Errors
    /// [`Error::is_stale`] if the row was changed. Nothing was written, and the transaction continues: read the
    /// row again and decide again.
    pub fn expecting(mut self, updated_at: DateTime<Utc>) -> Self {
        self.target.expected = Some(updated_at);
        self
    }
}

impl<T: Touched> Delete<'_, T> {
    /// Deletes the row only if its `updated_at` still has this value, that is, if nobody changed it since it was
    /// read.
    ///
    /// # Errors
    /// [`Error::is_stale`] if the row was changed. Nothing was deleted, and the transaction continues.
    pub fn expecting(mut self, updated_at: DateTime<Utc>) -> Self {
        self.target.expected = Some(updated_at);
        self
    }
}

impl<'s, T: Table> Update<'s, T> {
    pub(super) fn new(
        session: &'s mut WriteSession,
        id: IdOf<T>,
        changes: Assignments,
        call: CallSite,
    ) -> Self {
        Self { target: Target { session, id, expected: None, call }, changes }
    }

    async fn run(self) -> Result<T> {
        let Self { target, changes } = self;
        if changes.is_empty() {
            return target.read().await;
        }
        let query = target.update(changes)?.called(target.call);
        match target.session.run(query).await? {
            Some(written) => Ok(written),
            None => Err(target.missed_error().await?),
        }
    }
}

impl<'s, T: Table> Delete<'s, T> {
    pub(super) fn new(session: &'s mut WriteSession, id: IdOf<T>, call: CallSite) -> Self {
        Self { target: Target { session, id, expected: None, call } }
    }

    async fn run(self) -> Result<bool> {
        let target = self.target;
        let query = target.delete()?.called(target.call);
        if target.session.run(query).await? > 0 {
            return Ok(true);
        }
        match target.missed_error().await? {
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

/// The row to write, with the expected `updated_at`.
struct Target<'s, T: Table> {
    session: &'s mut WriteSession,
    id: IdOf<T>,
    expected: Option<DateTime<Utc>>,
    call: CallSite,
}

impl<T: Table> Target<'_, T> {
    fn describe(&self, mut into: fmt::DebugStruct<'_, '_>) -> fmt::Result {
        into.field("table", &T::NAME).field("id", &self.id).finish_non_exhaustive()
    }

    fn update(&self, assignments: Assignments) -> Result<Optional<T>> {
        let (mut set, mut values) =
            assignments.into_set_clause::<T>().map_err(|error| error.in_table(T::NAME))?;
        if T::TOUCH {
            values.push(Value::Timestamp(now()));
            set.push_str(", ");
            set.push_str(&sql::touch(self.session.dialect(), "updated_at", values.len()));
        }
        let condition = self.condition(&mut values)?;
        Ok(optional(sql::update::<T>(&set, &condition), values))
    }

    fn delete(&self) -> Result<Execute> {
        if self.expected.is_none() {
            return Ok(execute(&*T::statements().delete, params![self.id]));
        }
        let mut values = Vec::new();
        let condition = self.condition(&mut values)?;
        Ok(execute(sql::delete::<T>(&condition), values))
    }

    /// Returns the condition that selects the row, and appends its parameters.
    fn condition(&self, values: &mut Vec<Value>) -> Result<String> {
        values.push(encoded("id", &self.id)?);
        let mut condition = format!("id = ${}", values.len());
        if let Some(expected) = self.expected {
            values.push(encoded("expected updated_at", &expected)?);
            condition.push_str(&sql::is_unchanged(self.session.dialect(), values.len()));
        }
        Ok(condition)
    }

    /// Reads the row, for an update without changes. With an expectation it locks the row until the transaction
    /// ends.
    async fn read(self) -> Result<T> {
        let statements = T::statements();
        let text = if self.expected.is_some() { &*statements.for_update } else { &*statements.by_id };
        let query = optional::<T>(text, params![self.id]).called(self.call);
        let found = self.session.fetch(query).await?.ok_or_else(|| Error::not_found(T::NOUN, self.id))?;
        match self.expected {
            Some(expected) if found.updated_at() != Some(expected) => Err(Error::stale(&found, expected)),
            _ => Ok(found),
        }
    }

    /// Returns the error for a row that was not written: it was changed, or does not exist.
    async fn missed_error(self) -> Result<Error> {
        let missing = Error::not_found(T::NOUN, self.id);
        let Some(expected) = self.expected else { return Ok(missing) };
        let query = optional::<T>(&*T::statements().by_id, params![self.id]).called(self.call);
        let found = self.session.fetch(query).await?;
        Ok(found.map_or(missing, |found| Error::stale(&found, expected)))
    }
}
