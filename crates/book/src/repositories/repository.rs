//! What every table offers.

use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;

use tallybook_engine::{
    Batch, BulkLoad, Call, Engine, Error as EngineError, Optional, ReadBatch, Row, Session, Statement,
    WriteSession, all, one, optional, params,
};

use super::update::{Delete, Update};
use crate::error::{Error, Result};
use crate::ids::Id;
use crate::page::{Cursor, Page, Window};
use crate::sql::limited;
use crate::table::Table;
use crate::unreadable::{Scan, Scanned};

/// Rows that are created in one round trip; more are sent in several.
const ROWS_PER_FLIGHT: usize = 1_000;

/// The rows of one table, through a session. Use it by its names: [`Portfolios`](crate::Portfolios),
/// [`Positions`](crate::Positions), [`Trades`](crate::Trades), [`Executions`](crate::Executions) and
/// [`TradingSessions`](crate::TradingSessions).
///
/// Lists are ordered newest first; the identifier breaks ties, so that the order is the same each time. On SQLite that
/// holds however other programs spell their times; a list in which such spellings stand takes one statement more.
///
/// Reports and findings of a database name the line that calls a method, not the book's.
///
/// ```
/// use tallybook::{Database, NewPortfolio, Portfolios, Result, Settings, Window, upgrade};
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
/// assert_eq!(portfolios.get_many(Window::first(10)).await?, [portfolio]);
/// # Ok(())
/// # }
/// ```
///
/// Writers at the same time lose nothing when amounts are added by increments, rows are read for update, or an update
/// says what it expects (see `docs/concurrency.md`):
///
/// ```
/// use tallybook::{Database, Result, TradeChanges, TradeId, Trades};
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
///         Err(error) if error.is_stale() => println!("somebody was faster: {error}"),
///         written => drop(written?),
///     }
///     Ok(())
/// }
/// ```
///
/// A read session has no `create`, `update` or `delete`:
///
/// ```compile_fail,E0599
/// # async fn example(session: &mut tallybook::ReadSession) -> tallybook::Result<()> {
/// use tallybook::{NewPortfolio, Portfolios};
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
    /// The repository over a session.
    pub fn new(session: &'s mut S) -> Self {
        Self { session, table: PhantomData }
    }
}

impl<S: Session, T> Repository<'_, S, T> {
    /// Runs queries that were made where the caller's line is known: before the future, in a method that is
    /// `#[track_caller]` as they are.
    pub(super) async fn fetch<B: ReadBatch>(&mut self, batch: B) -> Result<B::Output> {
        Ok(self.session.fetch(batch).await?)
    }
}

impl<S: Session, T: Table> Repository<'_, S, T> {
    /// The row with this identifier, if there is one. One statement.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get(&mut self, id: T::Id) -> impl Future<Output = Result<Option<T>>> + Send {
        let query = optional(&T::statements().by_id, params![id]);
        self.fetch(query.called(Call::here().instead(T::GET_MANY)))
    }

    /// The rows with these identifiers, in the order of the identifiers; those that do not exist are left
    /// out. One statement.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_by_ids(&mut self, ids: &[T::Id]) -> impl Future<Output = Result<Vec<T>>> + Send {
        let query = all(&T::statements().by_ids, params![numbers(ids)]);
        async move { Ok(in_order(ids, self.fetch(query).await?)) }
    }

    /// A window on all rows. One statement.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_many(&mut self, window: Window) -> impl Future<Output = Result<Vec<T>>> + Send {
        self.window(&T::statements().list, || params![], window, Call::here())
    }

    /// The first page of all rows, or the one behind a cursor, by an index. One statement.
    ///
    /// # Errors
    /// What the database reports; a `limit` of 0, because behind a page without rows no next one begins.
    #[track_caller]
    pub fn get_page(
        &mut self,
        after: Option<&Cursor>,
        limit: u32,
    ) -> impl Future<Output = Result<Page<T>>> + Send {
        let place = after.map(Cursor::place::<T>).transpose();
        let call = Call::here();
        async move {
            if limit == 0 {
                return Err(
                    EngineError::invalid_value("limit", "is 0, and a page has at least one row").into()
                );
            }
            let (rows, more) = self.page(place?, limit, call).await?;
            let next = if more { rows.last().map(Cursor::behind) } else { None };
            Ok(Page { rows, next })
        }
    }

    /// The rows behind an identifier, by their identifiers, at most `limit`; with what is wrong with those that can't be
    /// read. No value of a row can disturb this order: for exports and checks. One statement.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn scan(
        &mut self,
        after: Option<i64>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<(i64, Scanned)>>> + Send {
        let statements = T::statements();
        let query = match after {
            None => all::<Scan<T>>(limited(&statements.first_scan, u64::from(limit)), params![]),
            Some(id) => all(limited(&statements.next_scan, u64::from(limit)), params![id]),
        };
        async move { Ok(self.fetch(query).await?.into_iter().map(|scan| (scan.id, scan.row)).collect()) }
    }

    /// How many rows there are. One statement, which reads them all.
    ///
    /// # Errors
    /// What the database reports.
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
    /// Creates a row and returns it as it is in the database. One statement.
    ///
    /// # Errors
    /// A value that its column can't hold, refused before anything is sent; a name that is taken; a parent
    /// that does not exist.
    #[track_caller]
    pub fn create(&mut self, new: &T::New) -> impl Future<Output = Result<T>> + Send {
        let query = one(&T::statements().insert, new.encode());
        let query = query.called(Call::here().instead(T::CREATE_MANY));
        async move { Ok(self.session.run(query).await?) }
    }

    /// Creates rows and returns them in the order given. A statement for each, and a round trip for each
    /// thousand.
    ///
    /// # Errors
    /// As [`Repository::create`]; the transaction then keeps none of them.
    #[track_caller]
    pub fn create_many(&mut self, new: &[T::New]) -> impl Future<Output = Result<Vec<T>>> + Send {
        let call = Call::here();
        async move {
            let values = new.iter().map(Row::encode).collect::<Result<Vec<_>, _>>()?;
            let mut created = Vec::with_capacity(new.len());
            let mut values = values.into_iter().peekable();
            while values.peek().is_some() {
                let flight = values.by_ref().take(ROWS_PER_FLIGHT);
                let batch: Vec<_> = flight.map(|values| one::<T>(&T::statements().insert, values)).collect();
                created.extend(self.session.run(batch.called(call)).await?);
            }
            Ok(created)
        }
    }

    /// The row with this identifier, if there is one, which nobody else can change or delete before the transaction
    /// ends: for a change that depends on what the row holds. Who else wants to write to it waits. One statement.
    ///
    /// Transactions that lock several rows should do so in the same order, for example that of their identifiers: else
    /// two of them may wait for each other, and PostgreSQL ends one
    /// ([`Error::is_retryable`](crate::Error::is_retryable)).
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_for_update(&mut self, id: T::Id) -> impl Future<Output = Result<Option<T>>> + Send {
        self.fetch(optional(&T::statements().for_update, params![id]))
    }

    /// Changes the columns that are given, sets `updated_at` where the table has it, and returns the row. It runs when
    /// it is awaited. One statement.
    ///
    /// What others changed since the row was read is overwritten: where that matters, read it by
    /// [`get_for_update`](Self::get_for_update), or add [`expecting`](Update::expecting).
    ///
    /// # Errors
    /// [`Error::is_not_found`](crate::Error::is_not_found), or as [`Repository::create`].
    #[track_caller]
    pub fn update(&mut self, id: T::Id, changes: T::Changes) -> Update<'_, T> {
        Update::new(self.session, id, changes, Call::here())
    }

    /// Deletes a row; says whether there was one. It runs when it is awaited. One statement.
    ///
    /// # Errors
    /// [`Error::is_foreign_key_violation`](crate::Error::is_foreign_key_violation) when others refer to it.
    #[track_caller]
    pub fn delete(&mut self, id: T::Id) -> Delete<'_, T> {
        Delete::new(self.session, id, Call::here())
    }

    /// Changes a row by what it holds, which nobody else changes meanwhile. Two statements.
    pub(super) async fn update_from(
        &mut self,
        id: T::Id,
        call: Call,
        change: impl FnOnce(&T) -> Result<T::Changes> + Send,
    ) -> Result<T> {
        let query = optional::<T>(&T::statements().for_update, params![id]).called(call);
        let row = self.fetch(query).await?.ok_or_else(|| Error::not_found(T::NOUN, id.get()))?;
        Update::new(self.session, id, change(&row)?, call).await
    }
}

impl<T: Table> Repository<'_, WriteSession, T> {
    /// Loads many rows with the identifiers they have: COPY on PostgreSQL, prepared inserts on SQLite. The
    /// columns are those of the model; `columns` picks some of them, in another order.
    ///
    /// Call [`align_ids`](Self::align_ids) when the load is finished.
    ///
    /// # Errors
    /// When the table or a column does not exist.
    #[track_caller]
    pub fn load(&mut self, columns: Option<&[&str]>) -> impl Future<Output = Result<BulkLoad<'_>>> + Send {
        let call = Call::here();
        async move {
            let own: Vec<&str> = T::COLUMNS.iter().map(|column| column.name).collect();
            Ok(self.session.load_called(T::NAME, columns.unwrap_or(&own), call).await?)
        }
    }

    /// Makes the next created row's identifier higher than all that were loaded. SQLite does so by itself.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn align_ids(&mut self) -> impl Future<Output = Result<()>> + Send {
        let query = align_ids(T::NAME);
        async move {
            if self.session.engine() == Engine::Postgres {
                self.session.run(query).await?;
            }
            Ok(())
        }
    }
}

/// Raises the sequence of PostgreSQL that gives a table its identifiers.
#[track_caller]
fn align_ids(table: &str) -> Optional<(i64,)> {
    // Never lower than it is: others may have taken identifiers that are not to be seen yet.
    let sql = format!(
        "SELECT setval(sequence, highest) \
         FROM (SELECT pg_get_serial_sequence('{table}', 'id')::regclass AS sequence, max(id) AS highest \
               FROM {table}) AS loaded \
         WHERE highest > coalesce(pg_sequence_last_value(sequence), 0)"
    );
    optional(Statement::from(sql), params![])
}

/// The numbers of identifiers, to bind as a list.
pub(super) fn numbers<I: Id>(ids: &[I]) -> Vec<i64> {
    ids.iter().map(|id| id.get()).collect()
}

/// Rows in the order of their identifiers in `ids`; an identifier that stands there twice counts once.
pub(super) fn in_order<T: Table>(ids: &[T::Id], rows: Vec<T>) -> Vec<T> {
    let mut by_id: HashMap<T::Id, T> = rows.into_iter().map(|row| (row.id(), row)).collect();
    ids.iter().filter_map(|id| by_id.remove(id)).collect()
}
