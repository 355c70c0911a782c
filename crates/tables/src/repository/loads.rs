//! Eager loads, in one round trip and one snapshot.

use std::future::Future;

use tallybook_core::Session;

use super::{IdOf, Repository};
use crate::error::Result;
use crate::load::{Include, Load};
use crate::table::{BelongsTo, Table};

impl<S: Session, T: Table> Repository<'_, S, T> {
    /// Returns the row with this identifier, with the relations of `A`. One statement for each table that is read, one
    /// round trip, one snapshot. In a write session on PostgreSQL each statement sees what was committed before it, unless the
    /// transaction is `RepeatableRead`.
    ///
    /// # Errors
    /// [`Error::is_missing_parent`](crate::tables::Error::is_missing_parent) for a row whose parent does not exist.
    #[track_caller]
    pub fn load<A: Load<Root = T>>(&mut self, id: IdOf<T>) -> impl Future<Output = Result<Option<A>>> + Send {
        self.including(Include::none()).load(id)
    }

    /// Returns the rows with these identifiers, in their order, with the relations of `A`; missing ones are left out. As
    /// many statements as for one row, one round trip, one snapshot.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    #[track_caller]
    pub fn load_many<A: Load<Root = T>>(
        &mut self,
        ids: &[IdOf<T>],
    ) -> impl Future<Output = Result<Vec<A>>> + Send {
        self.including(Include::none()).load_many(ids)
    }

    /// Returns the rows that belong to a row of `P`, newest first, with the relations of `A`. One round trip, one snapshot.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    #[track_caller]
    pub fn load_of<A: Load<Root = T>, P: Table>(
        &mut self,
        parent: IdOf<P>,
    ) -> impl Future<Output = Result<Vec<A>>> + Send
    where
        T: BelongsTo<P>,
    {
        self.including(Include::none()).load_of(parent)
    }

    /// As [`load_of`](Self::load_of) for many rows of `P`, newest first over all.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    #[track_caller]
    pub fn load_of_many<A: Load<Root = T>, P: Table>(
        &mut self,
        parents: &[IdOf<P>],
    ) -> impl Future<Output = Result<Vec<A>>> + Send
    where
        T: BelongsTo<P>,
    {
        self.including(Include::none()).load_of_many(parents)
    }

    /// Returns the newest rows that belong to a row of `P`, at most `limit`, with the relations of `A`. One round trip, one
    /// snapshot.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    #[track_caller]
    pub fn load_newest_of<A: Load<Root = T>, P: Table>(
        &mut self,
        parent: IdOf<P>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<A>>> + Send
    where
        T: BelongsTo<P>,
    {
        self.including(Include::none()).load_newest_of(parent, limit)
    }

    /// As [`load_newest_of`](Self::load_newest_of) for many rows of `P`: at most `limit` rows of each, newest first over all.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    #[track_caller]
    pub fn load_newest_of_many<A: Load<Root = T>, P: Table>(
        &mut self,
        parents: &[IdOf<P>],
        limit: u32,
    ) -> impl Future<Output = Result<Vec<A>>> + Send
    where
        T: BelongsTo<P>,
    {
        self.including(Include::none()).load_newest_of_many(parents, limit)
    }
}
