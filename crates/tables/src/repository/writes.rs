//! Creating, changing and deleting rows.

use std::future::Future;

use tallybook_core::{Batch, Value, WriteSession, now, one, optional, params};

use super::{Delete, IdOf, Increment, Repository, Update};
use crate::changes::{Assignments, Changes};
use crate::error::{Error, Result};
use crate::sql;
use crate::table::{ColumnSet, Editable, Table, TableColumn, encode_new};

/// Maximum number of rows created in one round trip.
const ROWS_PER_BATCH: usize = 1_000;

impl<T: Table> Repository<'_, WriteSession, T> {
    /// Creates a row and returns it as stored. One statement.
    ///
    /// # Errors
    /// Returns an error if a column cannot hold its value, before anything is sent; if a unique value is taken; or if a
    /// parent does not exist.
    #[track_caller]
    pub fn create(&mut self, new: &T::New) -> impl Future<Output = Result<T>> + Send {
        let statements = T::statements();
        let call = self.call_site_or(|| statements.create_many::<T>());
        let query = one(&*statements.insert, encode_new::<T>(new)).called(call);
        async move { Ok(self.session.run(query).await?) }
    }

    /// Creates rows and returns them in the given order. One statement for each row, one round trip for each thousand.
    ///
    /// # Errors
    /// As [`Repository::create`]; the transaction then keeps none of the rows.
    #[track_caller]
    pub fn create_many(&mut self, new: &[T::New]) -> impl Future<Output = Result<Vec<T>>> + Send {
        let call = self.call_site();
        async move {
            let values = new.iter().map(encode_new::<T>).collect::<Result<Vec<_>, _>>()?;
            let mut created = Vec::with_capacity(new.len());
            let mut values = values.into_iter().peekable();
            while values.peek().is_some() {
                let pipeline = values.by_ref().take(ROWS_PER_BATCH);
                let batch: Vec<_> =
                    pipeline.map(|values| one::<T>(&*T::statements().insert, values)).collect();
                created.extend(self.session.run(batch.called(call)).await?);
            }
            Ok(created)
        }
    }

    /// Creates a row, or updates the one that has the same values in these columns, which a unique index must cover. Returns
    /// the row as stored. One statement.
    ///
    /// An update sets every column that may change to the value in `new`, and advances `updated_at` where the table has it.
    ///
    /// ```
    /// # use tallybook::book::{NewPortfolio, Portfolio, Portfolios, Result};
    /// # use tallybook::WriteSession;
    /// # async fn example(session: &mut WriteSession) -> Result<()> {
    /// let pension = NewPortfolio::new("Pension");
    /// Portfolios::new(session).upsert(&pension, Portfolio::COLUMN.name).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Repository::create`], and if no unique index covers exactly these columns.
    #[expect(clippy::needless_pass_by_value, reason = "columns are small constants, named in place")]
    #[track_caller]
    pub fn upsert(
        &mut self,
        new: &T::New,
        unique: impl ColumnSet<T>,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: Editable,
    {
        let names = unique.names();
        let statement =
            T::statements().upserts.get(names.join(", ").as_str(), || sql::upsert::<T>(&names).into());
        let values = encode_new::<T>(new).map(|mut values| {
            if T::TOUCH {
                values.push(Value::Timestamp(now()));
            }
            values
        });
        let query = one(&*statement, values).called(self.call_site());
        async move { Ok(self.session.run(query).await?) }
    }

    /// Returns the row with this identifier and locks it: no other transaction can change or delete it before this one ends,
    /// and other writers wait. For changes that depend on the row's content. One statement.
    ///
    /// Transactions that lock several rows should lock them in the same order, for example by identifier. Otherwise they can
    /// deadlock, and PostgreSQL aborts one ([`Error::is_retryable`](crate::tables::Error::is_retryable)).
    #[track_caller]
    pub fn get_for_update(&mut self, id: IdOf<T>) -> impl Future<Output = Result<Option<T>>> + Send {
        let query = optional(&*T::statements().for_update, params![id]).called(self.call_site());
        self.fetch(query)
    }

    /// Updates the given columns, sets `updated_at` where the table has it, and returns the row. Runs when awaited. One
    /// statement.
    ///
    /// It overwrites changes made since the row was read. Where that matters, read the row with
    /// [`get_for_update`](Self::get_for_update), or add [`expecting`](Update::expecting).
    ///
    /// # Errors
    /// [`Error::is_not_found`](crate::tables::Error::is_not_found), and as [`Repository::create`].
    #[track_caller]
    pub fn update(&mut self, id: IdOf<T>, changes: T::Changes) -> Update<'_, T>
    where
        T: Editable,
    {
        let call = self.call_site();
        Update::new(self.session, id, changes.into_assignments(), call)
    }

    /// Deletes a row and returns whether it existed. Runs when awaited. One statement.
    ///
    /// # Errors
    /// [`Error::is_foreign_key_violation`](crate::tables::Error::is_foreign_key_violation) if other rows refer to it.
    #[track_caller]
    pub fn delete(&mut self, id: IdOf<T>) -> Delete<'_, T>
    where
        T: Editable,
    {
        let call = self.call_site();
        Delete::new(self.session, id, call)
    }

    /// Adds an amount, which may be negative, to a number of a row and returns the row. The row is locked as by
    /// [`get_for_update`](Self::get_for_update), so no concurrent increment is lost, and the sum is exact. Two statements.
    ///
    /// # Errors
    /// [`Error::is_not_found`](crate::tables::Error::is_not_found), and
    /// [`Error::is_invalid_value`](crate::tables::Error::is_invalid_value) for a sum that the column would round.
    #[track_caller]
    pub fn add<N: Increment>(
        &mut self,
        id: IdOf<T>,
        column: TableColumn<T, N>,
        amount: impl Into<N>,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: Editable,
    {
        let amount: N = amount.into();
        let call = self.call_site();
        async move {
            let query = optional::<T>(&*T::statements().for_update, params![id]).called(call);
            let row = self.fetch(query).await?.ok_or_else(|| Error::not_found(T::NOUN, id))?;
            let mut changes = Assignments::default();
            changes.set(
                column.name(),
                &column.get(&row).plus(amount, column.name()).map_err(|error| error.in_table(T::NAME))?,
            );
            Update::new(self.session, id, changes, call).await
        }
    }
}
