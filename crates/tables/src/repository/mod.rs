//! Repositories: the rows of one table, read and written through a session.

mod bulk;
mod including;
mod increment;
mod lists;
mod loads;
mod repair;
mod update;
mod writes;

pub use including::Including;
pub use increment::Increment;
pub use repair::Repair;
pub use update::{Delete, Update};

use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;

use tallybook_core::{
    Batch, CallSite, Encode, Error as DatabaseError, ReadBatch, Session, Value, all, optional, params,
};

use crate::error::Result;
use crate::id::{Id, Key};
use crate::sql;
use crate::table::{Table, TableColumn};
use crate::unreadable_row::{Scan, ScannedRow};

/// The identifier of a row of `T`.
pub type IdOf<T> = Id<T, <T as Table>::Key>;

/// The rows of one table, read and written through a session.
///
/// `#[table(repository = Trades)]` gives a table a type of its own, which dereferences to this one and can have more methods.
/// Without it, write `Repository::<_, Trade>::new(session)`.
///
/// Lists are ordered newest first, with the identifier as the tie-breaker, so the order is stable. On SQLite that holds
/// even if other programs format their times differently; a list with such times takes one more statement.
///
/// All methods return the errors that the database reports ([`Error::database`](crate::tables::Error::database)); those
/// particular to a method are documented there. Reports and findings of the monitor name the line that calls a method,
/// not one inside the repository.
///
/// ```
/// use tallybook::book::{NewPortfolio, Portfolios, Result, LimitOffset, upgrade};
/// use tallybook::{Database, Settings};
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
/// use tallybook::Database;
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
/// # async fn example(session: &mut tallybook::ReadSession) -> tallybook::book::Result<()> {
/// use tallybook::book::{NewPortfolio, Portfolios};
///
/// Portfolios::new(session).create(&NewPortfolio::new("pension")).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Repository<'s, S, T> {
    session: &'s mut S,
    suggestion: Option<&'static str>,
    table: PhantomData<fn() -> T>,
}

impl<'s, S, T> Repository<'s, S, T> {
    /// Creates a repository that works through a session.
    pub fn new(session: &'s mut S) -> Self {
        Self { session, suggestion: None, table: PhantomData }
    }

    /// Returns its session; for methods of one's own that run statements.
    pub fn session(&mut self) -> &mut S {
        self.session
    }

    /// Names the call that the monitor suggests if a loop makes the next call of this repository; for methods of one's own.
    ///
    /// ```
    /// # use std::future::Future;
    /// # use tallybook::book::{Portfolio, Trade};
    /// # use tallybook::Session;
    /// # use tallybook::tables::{Id, Repository, Result};
    /// #[track_caller]
    /// fn trades(
    ///     trades: &mut Repository<'_, impl Session, Trade>,
    ///     portfolio: Id<Portfolio>,
    /// ) -> impl Future<Output = Result<Vec<Trade>>> {
    ///     trades.suggest("trades_of_many(&portfolios)").load_of(portfolio)
    /// }
    /// ```
    pub fn suggest(&mut self, call: &'static str) -> &mut Self {
        self.suggestion = Some(call);
        self
    }

    /// Returns the line that calls a `#[track_caller]` method, with the call that [`suggest`](Self::suggest) named.
    #[track_caller]
    fn call_site(&mut self) -> CallSite {
        match self.suggestion.take() {
            Some(suggestion) => CallSite::here().suggest(suggestion),
            None => CallSite::here(),
        }
    }

    /// As [`call_site`](Self::call_site), with `suggestion` where none was named.
    #[track_caller]
    fn call_site_or(&mut self, suggestion: impl FnOnce() -> &'static str) -> CallSite {
        let suggestion = self.suggestion.take().unwrap_or_else(suggestion);
        CallSite::here().suggest(suggestion)
    }
}

impl<S: Session, T> Repository<'_, S, T> {
    /// Executes queries whose call site was recorded by their `#[track_caller]` caller, before the future.
    async fn fetch<B: ReadBatch>(&mut self, batch: B) -> Result<B::Output> {
        Ok(self.session.fetch(batch).await?)
    }
}

impl<S: Session, T: Table> Repository<'_, S, T> {
    /// Returns the row with this identifier. One statement.
    #[track_caller]
    pub fn get(&mut self, id: IdOf<T>) -> impl Future<Output = Result<Option<T>>> + Send {
        let statements = T::statements();
        let call = self.call_site_or(|| statements.get_many::<T>());
        self.fetch(optional(&*statements.by_id, params![id]).called(call))
    }

    /// Returns the rows with these identifiers, in the order of the identifiers; missing ones are left out. One statement.
    #[track_caller]
    pub fn get_by_ids(&mut self, ids: &[IdOf<T>]) -> impl Future<Output = Result<Vec<T>>> + Send {
        let query = all(&*T::statements().by_ids, vec![list::<T>(ids)]).called(self.call_site());
        async move { Ok(in_order(ids, self.fetch(query).await?)) }
    }

    /// Returns the row with this value in a column whose values are unique. One statement.
    ///
    /// # Errors
    /// Returns an error if several rows have the value.
    #[track_caller]
    pub fn get_by<V: Encode>(
        &mut self,
        column: TableColumn<T, V>,
        value: impl Into<V>,
    ) -> impl Future<Output = Result<Option<T>>> + Send {
        let name = column.name();
        let value = encoded(name, &value.into());
        let statement = T::statements().by_column.get(&name, || sql::by_column::<T>(name).into());
        let query = optional(&*statement, value.map(|value| vec![value])).called(self.call_site());
        self.fetch(query)
    }

    /// Returns at most `limit` rows after an identifier, in the order of their identifiers, each with its values or its
    /// errors. Values that cannot be decoded do not disturb this order: for exports and checks. One statement.
    #[track_caller]
    pub fn scan(
        &mut self,
        after: Option<T::Key>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<(T::Key, ScannedRow)>>> + Send {
        let statement = sql::scan::<T>(after.is_some(), u64::from(limit));
        let params = after.map_or_else(|| params![], |id| params![id]);
        let query = all::<Scan<T>>(statement, params).called(self.call_site());
        async move { Ok(self.fetch(query).await?.into_iter().map(|scan| (scan.id, scan.row)).collect()) }
    }
}

/// Encodes a value, and names the column in the error.
fn encoded(column: &str, value: &impl Encode) -> tallybook_core::Result<Value> {
    value.encode().map_err(|problem| DatabaseError::invalid_value(column, problem))
}

/// Returns the identifiers as one parameter, to bind as a list.
fn list<T: Table>(ids: &[IdOf<T>]) -> Value {
    T::Key::list(ids.iter().map(|id| id.get()))
}

/// Sorts rows by the position of their identifiers in `ids`; a duplicate identifier counts once.
fn in_order<T: Table>(ids: &[IdOf<T>], rows: Vec<T>) -> Vec<T> {
    let mut by_id: HashMap<T::Key, T> = rows.into_iter().map(|row| (row.id().get(), row)).collect();
    ids.iter().filter_map(|id| by_id.remove(&id.get())).collect()
}
