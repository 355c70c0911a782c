//! Reads lists by their index, and again by canonical time where the index order is wrong; see
//! [`time_order`](crate::time_order).

use std::future::Future;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tallybook_core::{
    Batch, CallSite, Dialect, Encode, Error as DatabaseError, RowStream, Session, Statement, Value, all, one,
};

use super::Repository;
use crate::error::Result;
use crate::filter::Filter;
use crate::page::{Cursor, LimitOffset, Page};
use crate::sql::ListStatements;
use crate::table::Table;
use crate::time_order::{IndexRead, IndexedRow, newest_first};

/// A list: its statements, and the parameters of its condition.
struct List {
    statements: Arc<ListStatements>,
    values: Vec<Value>,
    custom_plan: bool,
}

impl List {
    fn new<T: Table>(filter: Filter) -> Result<Self> {
        let custom_plan = filter.uses_custom_plan();
        let statements = list_statements::<T>(filter.condition(), || filter.parameters());
        Ok(Self { statements, values: filter.into_values()?, custom_plan })
    }

    fn params(&self, more: &[Value]) -> Vec<Value> {
        [&self.values, more].concat()
    }

    fn planned(&self, statement: &Statement) -> Statement {
        let statement = statement.clone();
        if self.custom_plan { statement.custom_plan() } else { statement }
    }
}

/// Returns the statements of the list with this condition, which are built once.
pub(super) fn list_statements<T: Table>(
    condition: &str,
    parameters: impl FnOnce() -> usize,
) -> Arc<ListStatements> {
    T::statements().lists.get(condition, || Arc::new(ListStatements::new(condition, parameters())))
}

impl<S: Session, T: Table> Repository<'_, S, T> {
    /// Returns a window of all rows. One statement.
    #[track_caller]
    pub fn get_many(&mut self, window: LimitOffset) -> impl Future<Output = Result<Vec<T>>> + Send {
        self.get_where(Filter::all(), window)
    }

    /// Returns a window of the rows that match a filter. One statement.
    #[track_caller]
    pub fn get_where(
        &mut self,
        filter: Filter,
        window: LimitOffset,
    ) -> impl Future<Output = Result<Vec<T>>> + Send {
        let call = self.call_site();
        async move { self.window(&List::new::<T>(filter)?, window, call).await }
    }

    /// Returns all rows that match a filter. One statement.
    #[track_caller]
    pub fn get_all(&mut self, filter: Filter) -> impl Future<Output = Result<Vec<T>>> + Send {
        let call = self.call_site();
        async move {
            let list = List::new::<T>(filter)?;
            let query = all(list.planned(list.statements.all::<T>()), list.values);
            Ok(newest_first(self.fetch(query.called(call)).await?))
        }
    }

    /// Returns the rows that match a filter one by one, in the order of their identifiers and in bounded memory. One statement,
    /// which holds the session until the stream is dropped.
    #[track_caller]
    pub fn stream(&mut self, filter: Filter) -> impl Future<Output = Result<RowStream<'_, T>>> + Send {
        let call = self.call_site();
        async move {
            let list = List::new::<T>(filter)?;
            let query = all(list.planned(list.statements.by_id::<T>()), list.values);
            Ok(self.session.stream(query.called(call)).await?)
        }
    }

    /// Returns the first page of all rows, or the one after a cursor, by an index. One statement.
    ///
    /// # Errors
    /// Returns an error for a `limit` of 0: an empty page has no next one.
    #[track_caller]
    pub fn get_page(
        &mut self,
        after: Option<&Cursor<T>>,
        limit: u32,
    ) -> impl Future<Output = Result<Page<T>>> + Send {
        self.get_page_where(Filter::all(), after, limit)
    }

    /// Returns the first page of the rows that match a filter, or the one after a cursor. One statement.
    ///
    /// An index finds it at any depth if it begins with the columns of the filter and ends with those of the order: for
    /// the trades of a portfolio, `(portfolio_id, created_at)`.
    ///
    /// # Errors
    /// Returns an error for a `limit` of 0: an empty page has no next one.
    #[track_caller]
    pub fn get_page_where(
        &mut self,
        filter: Filter,
        after: Option<&Cursor<T>>,
        limit: u32,
    ) -> impl Future<Output = Result<Page<T>>> + Send {
        let position = after.map(Cursor::position);
        let call = self.call_site();
        async move {
            if limit == 0 {
                return Err(
                    DatabaseError::invalid_value("limit", "is 0, and a page has at least one row").into()
                );
            }
            let (rows, more) = self.page(&List::new::<T>(filter)?, position, limit, call).await?;
            let next = if more { rows.last().map(Cursor::after) } else { None };
            Ok(Page { rows, next })
        }
    }

    /// Returns the number of rows. One statement, which scans the table.
    #[track_caller]
    pub fn count(&mut self) -> impl Future<Output = Result<u64>> + Send {
        self.count_where(Filter::all())
    }

    /// Returns the number of rows that match a filter. One statement.
    #[track_caller]
    pub fn count_where(&mut self, filter: Filter) -> impl Future<Output = Result<u64>> + Send {
        let call = self.call_site();
        async move {
            let list = List::new::<T>(filter)?;
            let query = one::<(i64,)>(list.planned(list.statements.count::<T>()), list.values);
            Ok(self.fetch(query.called(call)).await?.0.unsigned_abs())
        }
    }

    /// Returns whether any row matches a filter. One statement.
    #[track_caller]
    pub fn exists(&mut self, filter: Filter) -> impl Future<Output = Result<bool>> + Send {
        let call = self.call_site();
        async move {
            let list = List::new::<T>(filter)?;
            let query = one::<(bool,)>(list.planned(list.statements.exists::<T>()), list.values);
            Ok(self.fetch(query.called(call)).await?.0)
        }
    }

    async fn window(&mut self, list: &List, window: LimitOffset, call: CallSite) -> Result<Vec<T>> {
        let (limit, skip) = (i64::from(window.limit), i64::from(window.skip));
        let more = self.lookahead();
        let statements = &*list.statements;
        let statement = if more > 0 && skip > 0 {
            statements.by_index_skipping::<T>()
        } else {
            statements.by_index::<T>()
        };
        let params = list.params(&[Value::Int(limit + more), Value::Int(skip)]);
        let query = all::<IndexedRow<T>>(list.planned(statement), params);
        let rows = self.fetch(query.called(call)).await?;
        if let Some((rows, _)) = self.check_order(statements, rows, window.limit, &list.values, call).await? {
            return Ok(rows);
        }
        // On the heap, as everything rarely executed: the future of a call stays as small as that of one statement.
        let params = list.params(&[Value::Int(limit), Value::Int(skip)]);
        let query = all(list.planned(statements.by_time::<T>()), params);
        Box::pin(self.fetch(query.called(call))).await
    }

    /// Returns the first rows, or those after a position, and whether more follow.
    async fn page(
        &mut self,
        list: &List,
        position: Option<(Option<DateTime<Utc>>, T::Key)>,
        limit: u32,
        call: CallSite,
    ) -> Result<(Vec<T>, bool)> {
        let params = match position {
            None => list.values.clone(),
            Some((time, id)) => {
                let refused = |problem| DatabaseError::invalid_value("cursor", problem);
                let time = time.map(|time| time.encode().map_err(refused)).transpose()?;
                let id = id.encode().map_err(refused)?;
                list.params(&time.into_iter().chain([id]).collect::<Vec<_>>())
            }
        };
        let most = u64::from(limit) + 1;
        let statements = &*list.statements;
        let by_index = statements.page_by_index::<T>(self.session.dialect(), position.is_some(), most);
        let rows =
            self.fetch(all::<IndexedRow<T>>(list.planned(&by_index), params.clone()).called(call)).await?;
        let may_hide = self.lookahead() > 0 && position.is_some() && rows.is_empty();
        if !may_hide && let Some(read) = self.check_order(statements, rows, limit, &list.values, call).await?
        {
            return Ok(read);
        }
        let by_time = statements.page_by_time::<T>(position.is_some(), most);
        let query = all(list.planned(&by_time), params);
        let mut rows: Vec<T> = Box::pin(self.fetch(query.called(call))).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        Ok((rows, more))
    }

    /// Number of rows to read beyond those requested: on SQLite one, to see whether it has the same time as the last row.
    pub(super) fn lookahead(&self) -> i64 {
        i64::from(T::ORDER.is_some() && self.session.dialect() == Dialect::Sqlite)
    }

    /// Returns the first `limit` of the rows read by the index and whether more follow; `None` if the index order is
    /// wrong. `values` are the parameters of the list's condition.
    pub(super) async fn check_order(
        &mut self,
        list: &ListStatements,
        rows: Vec<IndexedRow<T>>,
        limit: u32,
        values: &[Value],
        call: CallSite,
    ) -> Result<Option<(Vec<T>, bool)>> {
        Ok(match IndexRead::new(rows, limit as usize, self.lookahead() > 0) {
            IndexRead::Ordered(rows, more) => Some((rows, more)),
            IndexRead::Misordered => None,
            IndexRead::OrderedUnless(texts, rows) => {
                let params = [values, &[Value::Texts(texts)]].concat();
                let query = one::<(bool,)>(list.has_spellings::<T>(), params);
                let (is_there,) = Box::pin(self.fetch(query.called(call))).await?;
                (!is_there).then_some((rows, true))
            }
        })
    }
}
