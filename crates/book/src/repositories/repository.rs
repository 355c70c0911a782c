//! Methods that all repositories share.

use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;

use tallybook_core::{
    Batch, BulkLoad, CallSite, Dialect, Error as DatabaseError, Optional, ReadBatch, Row, Session, Statement,
    WriteSession, all, one, optional, params,
};

use super::update::{Delete, Update};
use crate::error::{Error, Result};
use crate::ids::Id;
use crate::page::{Cursor, LimitOffset, Page};
use crate::sql::limited;
use crate::table::Table;
use crate::unreadable_row::{Scan, ScannedRow};

/// Maximum number of rows created in one round trip.
const ROWS_PER_BATCH: usize = 1_000;

/// The rows of one table, read and written through a session. Use the aliases [`Portfolios`](crate::Portfolios),
/// [`Positions`](crate::Positions), [`Trades`](crate::Trades), [`Executions`](crate::Executions) and
/// [`TradingSessions`](crate::TradingSessions).
///
/// Lists are ordered newest first, with the identifier as the tie-breaker, so the order is stable. On SQLite that holds
/// even if other programs format their times differently; a list with such times takes one more statement.
///
/// All methods return the errors that the database reports ([`Error::database`](crate::Error::database)); those
/// particular to a method are documented there. Reports and findings of the monitor name the line that calls a method,
/// not one inside the book.
///
/// ```
/// use tallybook::book::{NewPortfolio, Portfolios, Result, LimitOffset, upgrade};
/// use tallybook_core::{Database, Settings};
///
/// # #[tokio::main]
/// # async fn main() -> Result<()> {
/// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
/// upgrade(&db).await?;
/// let portfolio = db
///     .write(async |session| -> Result<_> { Portfolios::new(session).create(&NewPortfolio::new("pension")).await })
///     .await?
///     .into_value();
///
/// let mut session = db.read().await?;
/// let mut portfolios = Portfolios::new(&mut session);
/// assert_eq!(portfolios.get(portfolio.id).await?, Some(portfolio.clone()));
/// assert_eq!(portfolios.get_many(LimitOffset::first(10)).await?, [portfolio]);
/// # Ok(())
/// # }
/// ```
///
/// Concurrent writers lose no update if they use increments, lock rows with `get_for_update`, or give an expectation
/// (see `docs/concurrency.md`):
///
/// ```
/// use tallybook::book::{Result, TradeChanges, TradeId, Trades};
/// use tallybook_core::Database;
///
/// async fn correct(db: &Database, id: TradeId) -> Result<()> {
///     db.write(async |session| Trades::new(session).add_filled_quantity(id, 5).await).await?;
///
///     let Some(read) = Trades::new(&mut db.read().await?).get(id).await? else { return Ok(()) };
///     let changes = TradeChanges::new().limit_price(None);
///     let written = db.write(async |session| {
///         Trades::new(session).update(id, changes).expecting(read.updated_at).await
///     });
///     match written.await {
///         Err(error) if error.is_stale() => println!("another writer was first: {error}"),
///         written => drop(written?),
///     }
///     Ok(())
/// }
/// ```
///
/// A read session has no `create`, `update` or `delete`:
///
/// ```compile_fail,E0599
/// # async fn example(session: &mut tallybook_core::ReadSession) -> tallybook::book::Result<()> {
/// use tallybook::book::{NewPortfolio, Portfolios};
///
/// Portfolios::new(session).create(&NewPortfolio::new("pension")).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Repository<'s, S, T> {
    pub(super) session: &'s mut S,
    table: PhantomData<fn() -> T>,
}

impl<'s, S, T> Repository<'s, S, T> {
    /// Creates a repository that works through a session.
    pub fn new(session: &'s mut S) -> Self {
        Self { session, table: PhantomData }
    }
}

impl<S: Session, T> Repository<'_, S, T> {
    /// Executes queries whose call site was recorded by their `#[track_caller]` caller, before the future.
    pub(super) async fn fetch<B: ReadBatch>(&mut self, batch: B) -> Result<B::Output> {
        Ok(self.session.fetch(batch).await?)
    }
}

impl<S: Session, T: Table> Repository<'_, S, T> {
    /// Returns the row with this identifier. One statement.
    #[track_caller]
    pub fn get(&mut self, id: T::Id) -> impl Future<Output = Result<Option<T>>> + Send {
        let query = optional(&T::statements().by_id, params![id]);
        self.fetch(query.called(CallSite::here().suggest(T::GET_MANY)))
    }

    /// Returns the rows with these identifiers, in the order of the identifiers; missing ones are left out. One
    /// statement.
    #[track_caller]
    pub fn get_by_ids(&mut self, ids: &[T::Id]) -> impl Future<Output = Result<Vec<T>>> + Send {
        let query = all(&T::statements().by_ids, params![numbers(ids)]);
        async move { Ok(in_order(ids, self.fetch(query).await?)) }
    }

    /// Returns a window of all rows. One statement.
    #[track_caller]
    pub fn get_many(&mut self, window: LimitOffset) -> impl Future<Output = Result<Vec<T>>> + Send {
        self.window(&T::statements().list, || params![], window, CallSite::here())
    }

    /// Returns the first page of all rows, or the one after a cursor, by an index. One statement.
    ///
    /// # Errors
    /// Returns an error for a `limit` of 0: an empty page has no next one.
    #[track_caller]
    pub fn get_page(
        &mut self,
        after: Option<&Cursor>,
        limit: u32,
    ) -> impl Future<Output = Result<Page<T>>> + Send {
        let position = after.map(Cursor::position::<T>).transpose();
        let call = CallSite::here();
        async move {
            if limit == 0 {
                return Err(
                    DatabaseError::invalid_value("limit", "is 0, and a page has at least one row").into()
                );
            }
            let (rows, more) = self.page(position?, limit, call).await?;
            let next = if more { rows.last().map(Cursor::after) } else { None };
            Ok(Page { rows, next })
        }
    }

    /// Returns at most `limit` rows after an identifier, in the order of their identifiers, each with its values
    /// or its errors. Values that cannot be decoded do not disturb this order: for exports and checks. One
    /// statement.
    #[track_caller]
    pub fn scan(
        &mut self,
        after: Option<i64>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<(i64, ScannedRow)>>> + Send {
        let statements = T::statements();
        let query = match after {
            None => all::<Scan<T>>(limited(&statements.first_scan, u64::from(limit)), params![]),
            Some(id) => all(limited(&statements.next_scan, u64::from(limit)), params![id]),
        };
        async move { Ok(self.fetch(query).await?.into_iter().map(|scan| (scan.id, scan.row)).collect()) }
    }

    /// Returns the number of rows. One statement, which scans the table.
    #[track_caller]
    pub fn count(&mut self) -> impl Future<Output = Result<u64>> + Send {
        let query = one::<(i64,)>(&T::statements().count, params![]);
        async move {
            let (count,) = self.fetch(query).await?;
            Ok(count.unsigned_abs())
        }
    }
}

impl<T: Table> Repository<'_, WriteSession, T> {
    /// Creates a row and returns it as stored. One statement.
    ///
    /// # Errors
    /// Returns an error if a column cannot hold its value, before anything is sent; if a unique value is taken; or
    /// if a parent does not exist.
    #[track_caller]
    pub fn create(&mut self, new: &T::New) -> impl Future<Output = Result<T>> + Send {
        let query = one(&T::statements().insert, new.encode());
        let query = query.called(CallSite::here().suggest(T::CREATE_MANY));
        async move { Ok(self.session.run(query).await?) }
    }

    /// Creates rows and returns them in the given order. One statement for each row, one round trip for each
    /// thousand.
    ///
    /// # Errors
    /// As [`Repository::create`]; the transaction then keeps none of the rows.
    #[track_caller]
    pub fn create_many(&mut self, new: &[T::New]) -> impl Future<Output = Result<Vec<T>>> + Send {
        let call = CallSite::here();
        async move {
            let values = new.iter().map(Row::encode).collect::<Result<Vec<_>, _>>()?;
            let mut created = Vec::with_capacity(new.len());
            let mut values = values.into_iter().peekable();
            while values.peek().is_some() {
                let pipeline = values.by_ref().take(ROWS_PER_BATCH);
                let batch: Vec<_> =
                    pipeline.map(|values| one::<T>(&T::statements().insert, values)).collect();
                created.extend(self.session.run(batch.called(call)).await?);
            }
            Ok(created)
        }
    }

    /// Returns the row with this identifier and locks it: no other transaction can change or delete it before this
    /// one ends, and other writers wait. For changes that depend on the row's content. One statement.
    ///
    /// Transactions that lock several rows should lock them in the same order, for example by identifier.
    /// Otherwise they can deadlock, and PostgreSQL aborts one
    /// ([`Error::is_retryable`](crate::Error::is_retryable)).
    #[track_caller]
    pub fn get_for_update(&mut self, id: T::Id) -> impl Future<Output = Result<Option<T>>> + Send {
        self.fetch(optional(&T::statements().for_update, params![id]))
    }

    /// Updates the given columns, sets `updated_at` where the table has it, and returns the row. Runs when
    /// awaited. One statement.
    ///
    /// It overwrites changes made since the row was read. Where that matters, read the row with
    /// [`get_for_update`](Self::get_for_update), or add [`expecting`](Update::expecting).
    ///
    /// # Errors
    /// [`Error::is_not_found`](crate::Error::is_not_found), and as [`Repository::create`].
    #[track_caller]
    pub fn update(&mut self, id: T::Id, changes: T::Changes) -> Update<'_, T> {
        Update::new(self.session, id, changes, CallSite::here())
    }

    /// Deletes a row and returns whether it existed. Runs when awaited. One statement.
    ///
    /// # Errors
    /// [`Error::is_foreign_key_violation`](crate::Error::is_foreign_key_violation) if other rows refer to it.
    #[track_caller]
    pub fn delete(&mut self, id: T::Id) -> Delete<'_, T> {
        Delete::new(self.session, id, CallSite::here())
    }

    /// Updates a row depending on its content, which it locks. Two statements.
    pub(super) async fn update_from(
        &mut self,
        id: T::Id,
        call: CallSite,
        change: impl FnOnce(&T) -> Result<T::Changes> + Send,
    ) -> Result<T> {
        let query = optional::<T>(&T::statements().for_update, params![id]).called(call);
        let row = self.fetch(query).await?.ok_or_else(|| Error::not_found(T::NOUN, id.get()))?;
        Update::new(self.session, id, change(&row)?, call).await
    }
}

impl<T: Table> Repository<'_, WriteSession, T> {
    /// Starts a bulk load of rows with their identifiers: COPY on PostgreSQL, prepared inserts on SQLite. The
    /// columns are those of the model; `columns` selects some of them, in another order.
    ///
    /// Call [`sync_sequence`](Self::sync_sequence) after the load.
    ///
    /// # Errors
    /// Returns an error if the table or a column does not exist.
    #[track_caller]
    pub fn load(&mut self, columns: Option<&[&str]>) -> impl Future<Output = Result<BulkLoad<'_>>> + Send {
        let call = CallSite::here();
        async move {
            let own: Vec<&str> = T::COLUMNS.iter().map(|column| column.name).collect();
            Ok(self.session.load_called(T::NAME, columns.unwrap_or(&own), call).await?)
        }
    }

    /// Advances the identifier sequence beyond all loaded rows. No effect on SQLite, which does so itself.
    #[track_caller]
    pub fn sync_sequence(&mut self) -> impl Future<Output = Result<()>> + Send {
        let query = sync_sequence(T::NAME);
        async move {
            if self.session.dialect() == Dialect::Postgres {
                self.session.run(query).await?;
            }
            Ok(())
        }
    }
}

/// Advances PostgreSQL's identifier sequence of a table.
#[track_caller]
fn sync_sequence(table: &str) -> Optional<(i64,)> {
    // Never lowers the sequence: other transactions may have taken identifiers that are not visible yet.
    let sql = format!(
        "SELECT setval(sequence, highest) \
         FROM (SELECT pg_get_serial_sequence('{table}', 'id')::regclass AS sequence, max(id) AS highest \
               FROM {table}) AS loaded \
         WHERE highest > coalesce(pg_sequence_last_value(sequence), 0)"
    );
    optional(Statement::from(sql), params![])
}

/// Returns the identifiers as integers, to bind as a list.
pub(super) fn numbers<I: Id>(ids: &[I]) -> Vec<i64> {
    ids.iter().map(|id| id.get()).collect()
}

/// Sorts rows by the position of their identifiers in `ids`; a duplicate identifier counts once.
pub(super) fn in_order<T: Table>(ids: &[T::Id], rows: Vec<T>) -> Vec<T> {
    let mut by_id: HashMap<T::Id, T> = rows.into_iter().map(|row| (row.id(), row)).collect();
    ids.iter().filter_map(|id| by_id.remove(id)).collect()
}
