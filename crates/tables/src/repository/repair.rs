//! Repairs of append-only tables.

use std::fmt;

use tallybook_core::WriteSession;

use super::{Delete, IdOf, Repository, Update};
use crate::changes::Changes;
use crate::table::{AppendOnly, Table};

/// Changes and deletes rows of an append-only table, for repairs; nothing else in the book follows. Created by
/// [`Repository::repair`].
pub struct Repair<'r, 's, T>(&'r mut Repository<'s, WriteSession, T>);

impl<'s, T: Table> Repository<'s, WriteSession, T> {
    /// Offers `update` and `delete` for an append-only table, for repairs; nothing else in the book follows.
    ///
    /// ```
    /// # use tallybook::book::{Execution, ExecutionChanges, Executions, Id, Result};
    /// # use tallybook::WriteSession;
    /// # async fn example(session: &mut WriteSession, id: Id<Execution>) -> Result<()> {
    /// Executions::new(session).repair().update(id, ExecutionChanges::new().fees(1)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Without it, such a table has neither:
    ///
    /// ```compile_fail,E0277
    /// # use tallybook::book::{Execution, ExecutionChanges, Executions, Id, Result};
    /// # use tallybook::WriteSession;
    /// # async fn example(session: &mut WriteSession, id: Id<Execution>) -> Result<()> {
    /// Executions::new(session).update(id, ExecutionChanges::new().fees(1)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn repair(&mut self) -> Repair<'_, 's, T>
    where
        T: AppendOnly,
    {
        Repair(self)
    }
}

impl<'r, T: AppendOnly> Repair<'r, '_, T> {
    /// Updates the given columns and returns the row, for repairs; nothing else in the book follows. Runs when awaited. One
    /// statement.
    ///
    /// # Errors
    /// [`Error::is_not_found`](crate::tables::Error::is_not_found), and as [`Repository::create`].
    #[track_caller]
    pub fn update(self, id: IdOf<T>, changes: T::Changes) -> Update<'r, T> {
        let Self(repository) = self;
        let call = repository.call_site();
        Update::new(repository.session, id, changes.into_assignments(), call)
    }

    /// Deletes a row and returns whether it existed, for repairs; nothing else in the book follows. Runs when awaited. One
    /// statement.
    ///
    /// # Errors
    /// [`Error::is_foreign_key_violation`](crate::tables::Error::is_foreign_key_violation) if other rows refer to it.
    #[track_caller]
    pub fn delete(self, id: IdOf<T>) -> Delete<'r, T> {
        let Self(repository) = self;
        let call = repository.call_site();
        Delete::new(repository.session, id, call)
    }
}

impl<T: Table> fmt::Debug for Repair<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repair({})", T::NAME)
    }
}
