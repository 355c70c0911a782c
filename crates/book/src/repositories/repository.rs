//! What every table offers.

use std::collections::HashMap;
use std::marker::PhantomData;

use tallybook_engine::{
    BulkLoad, Encode, Engine, Row, Session, Statement, Value, WriteSession, all, execute, now, one, optional,
    params,
};

use crate::changes::Changes;
use crate::error::{Error, Result};
use crate::ids::Id;
use crate::page::{Cursor, Page, Window};
use crate::table::Table;

/// Rows that are created in one round trip; more are sent in several.
const ROWS_PER_FLIGHT: usize = 1_000;

/// The rows of one table, through a session. Use it by its names: [`Portfolios`](crate::Portfolios),
/// [`Positions`](crate::Positions), [`Trades`](crate::Trades), [`Executions`](crate::Executions) and
/// [`TradingSessions`](crate::TradingSessions).
///
/// Lists are ordered newest first; the identifier breaks ties, so that the order is the same each time.
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

impl<S: Session, T: Table> Repository<'_, S, T> {
    /// The row with this identifier, if there is one. One statement.
    ///
    /// # Errors
    /// What the database reports.
    pub async fn get(&mut self, id: T::Id) -> Result<Option<T>> {
        Ok(self.session.fetch(optional(&T::statements().by_id, params![id])).await?)
    }

    /// The rows with these identifiers, in the order of the identifiers; those that do not exist are left
    /// out. One statement.
    ///
    /// # Errors
    /// What the database reports.
    pub async fn get_by_ids(&mut self, ids: &[T::Id]) -> Result<Vec<T>> {
        let rows = self.session.fetch(all(&T::statements().by_ids, params![numbers(ids)])).await?;
        Ok(in_order(ids, rows))
    }

    /// A window on all rows. One statement.
    ///
    /// # Errors
    /// What the database reports.
    pub async fn get_many(&mut self, window: Window) -> Result<Vec<T>> {
        let params = params![i64::from(window.limit), i64::from(window.skip)];
        Ok(self.session.fetch(all(&T::statements().skip_limit, params)).await?)
    }

    /// The first page of all rows, or the one behind a cursor, by an index. One statement.
    ///
    /// # Errors
    /// What the database reports.
    pub async fn get_page(&mut self, after: Option<&Cursor>, limit: u32) -> Result<Page<T>> {
        // One row more than asked for tells whether there is a next page.
        let most = i64::from(limit) + 1;
        let statements = T::statements();
        let query = match after.map(Cursor::place::<T>).transpose()? {
            None => all::<T>(&statements.first_page, params![most]),
            Some((Some(time), id)) => all(&statements.next_page, params![most, time, id]),
            Some((None, id)) => all(&statements.next_page, params![most, id]),
        };
        let mut rows = self.session.fetch(query).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = if more { rows.last().map(Cursor::behind) } else { None };
        Ok(Page { rows, next })
    }

    /// How many rows there are. One statement, which reads them all.
    ///
    /// # Errors
    /// What the database reports.
    pub async fn count(&mut self) -> Result<u64> {
        let (count,) = self.session.fetch(one::<(i64,)>(&T::statements().count, params![])).await?;
        Ok(count.unsigned_abs())
    }
}

impl<T: Table> Repository<'_, WriteSession, T> {
    /// Creates a row and returns it as it is in the database. One statement.
    ///
    /// # Errors
    /// A value that its column can't hold, refused before anything is sent; a name that is taken; a parent
    /// that does not exist.
    pub async fn create(&mut self, new: &T::New) -> Result<T> {
        Ok(self.session.run(one(&T::statements().insert, new.encode())).await?)
    }

    /// Creates rows and returns them in the order given. A statement for each, and a round trip for each
    /// thousand.
    ///
    /// # Errors
    /// As [`Repository::create`]; the transaction then keeps none of them.
    pub async fn create_many(&mut self, new: &[T::New]) -> Result<Vec<T>> {
        let values = new.iter().map(Row::encode).collect::<Result<Vec<_>, _>>()?;
        let mut created = Vec::with_capacity(new.len());
        let mut values = values.into_iter().peekable();
        while values.peek().is_some() {
            let flight = values.by_ref().take(ROWS_PER_FLIGHT);
            let batch: Vec<_> = flight.map(|values| one::<T>(&T::statements().insert, values)).collect();
            created.extend(self.session.run(batch).await?);
        }
        Ok(created)
    }

    /// Changes the columns that are given, sets `updated_at` where the table has it, and returns the row.
    /// One statement.
    ///
    /// # Errors
    /// [`Error::is_not_found`](crate::Error::is_not_found), or as [`Repository::create`].
    pub async fn update(&mut self, id: T::Id, changes: T::Changes) -> Result<T> {
        let not_found = || Error::not_found(T::NOUN, id.get());
        let mut assignments = changes.into_assignments();
        if assignments.is_empty() {
            return self.get(id).await?.ok_or_else(not_found);
        }
        if T::TOUCH {
            assignments.set("updated_at", now().encode());
        }
        let (set, mut values) = assignments.into_set_clause::<T>()?;
        values.push(Value::Int(id.get()));
        let sql =
            format!("UPDATE {} SET {set} WHERE id = ${} RETURNING {}", T::NAME, values.len(), T::COLUMN_LIST);
        self.session.run(optional(Statement::from(sql), values)).await?.ok_or_else(not_found)
    }

    /// Deletes a row; says whether there was one. One statement.
    ///
    /// # Errors
    /// [`Error::is_foreign_key_violation`](crate::Error::is_foreign_key_violation) when others refer to it.
    pub async fn delete(&mut self, id: T::Id) -> Result<bool> {
        Ok(self.session.run(execute(&T::statements().delete, params![id])).await? > 0)
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
    pub async fn load(&mut self, columns: Option<&[&str]>) -> Result<BulkLoad<'_>> {
        let own: Vec<&str> = T::COLUMNS.iter().map(|column| column.name).collect();
        Ok(self.session.load(T::NAME, columns.unwrap_or(&own)).await?)
    }

    /// Makes the next created row's identifier higher than all that were loaded. SQLite does so by itself.
    ///
    /// # Errors
    /// What the database reports.
    pub async fn align_ids(&mut self) -> Result<()> {
        if self.session.engine() == Engine::Postgres {
            let table = T::NAME;
            // Never lower than it is: others may have taken identifiers that are not to be seen yet.
            let sql = format!(
                "SELECT setval(sequence, highest) \
                 FROM (SELECT pg_get_serial_sequence('{table}', 'id')::regclass AS sequence, max(id) AS highest \
                       FROM {table}) AS loaded \
                 WHERE highest > coalesce(pg_sequence_last_value(sequence), 0)"
            );
            self.session.run(optional::<(i64,)>(Statement::from(sql), params![])).await?;
        }
        Ok(())
    }
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
