//! Reads lists by their index, and again by canonical time where the index order is wrong; see
//! [`time_order`](crate::time_order).

use chrono::{DateTime, Utc};
use tallybook_core::{Batch, CallSite, Dialect, Params, Session, all, one, params};

use super::repository::Repository;
use crate::error::Result;
use crate::page::LimitOffset;
use crate::table::Table;
use crate::time_order::{IndexRead, IndexedRow, ListStatements, PageStatements};

impl<S: Session, T: Table> Repository<'_, S, T> {
    /// Returns a window of a list whose condition has these parameters.
    pub(super) async fn window(
        &mut self,
        list: &'static ListStatements,
        condition: impl Fn() -> Params + Send + Sync,
        window: LimitOffset,
        call: CallSite,
    ) -> Result<Vec<T>> {
        let (limit, skip) = (i64::from(window.limit), i64::from(window.skip));
        let more = self.lookahead();
        let statement = if more > 0 && skip > 0 { &list.by_index_skipping } else { &list.by_index };
        let query = all::<IndexedRow<T>>(statement, condition().and(&(limit + more)).and(&skip));
        let rows = self.fetch(query.called(call)).await?;
        if let Some((rows, _)) = self.check_order(list, rows, window.limit, &condition, call).await? {
            return Ok(rows);
        }
        // On the heap, as everything rarely executed: the future of a call stays as small as that of one
        // statement.
        Box::pin(self.fetch(all(&list.by_time, condition().and(&limit).and(&skip)).called(call))).await
    }

    /// Returns the first rows, or those after a position, and whether more follow.
    pub(super) async fn page(
        &mut self,
        position: Option<(Option<DateTime<Utc>>, i64)>,
        limit: u32,
        call: CallSite,
    ) -> Result<(Vec<T>, bool)> {
        let params = || match position {
            None => params![],
            Some((Some(time), id)) => params![time, id],
            Some((None, id)) => params![id],
        };
        let statements = T::statements();
        let most = u64::from(limit) + 1;
        let statement = statements.pages.by_index(self.session.dialect(), position.is_some(), most);
        let rows = self.fetch(all::<IndexedRow<T>>(statement, params()).called(call)).await?;
        let may_hide = self.lookahead() > 0 && position.is_some() && rows.is_empty();
        if !may_hide
            && let Some(read) = self.check_order(&statements.list, rows, limit, || params![], call).await?
        {
            return Ok(read);
        }
        let by_time = PageStatements::by_time::<T>(position.is_some(), most);
        let mut rows: Vec<T> = Box::pin(self.fetch(all(by_time, params()).called(call))).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        Ok((rows, more))
    }

    /// Number of rows to read beyond those requested: on SQLite one, to see whether it has the same time as the
    /// last row.
    pub(super) fn lookahead(&self) -> i64 {
        i64::from(T::ORDER.is_some() && self.session.dialect() == Dialect::Sqlite)
    }

    /// Returns the first `limit` of the rows read by the index and whether more follow; `None` if the index order
    /// is wrong.
    pub(super) async fn check_order(
        &mut self,
        list: &'static ListStatements,
        rows: Vec<IndexedRow<T>>,
        limit: u32,
        condition: impl Fn() -> Params + Send,
        call: CallSite,
    ) -> Result<Option<(Vec<T>, bool)>> {
        Ok(match IndexRead::new(rows, limit as usize, self.lookahead() > 0) {
            IndexRead::Ordered(rows, more) => Some((rows, more)),
            IndexRead::Misordered => None,
            IndexRead::OrderedUnless(texts, rows) => {
                let query = one::<(bool,)>(&list.has_spellings, condition().and(&texts));
                let (is_there,) = Box::pin(self.fetch(query.called(call))).await?;
                (!is_there).then_some((rows, true))
            }
        })
    }
}
