//! Reading lists: by their index where that is right, else settled; see [`newest`](crate::newest).

use chrono::{DateTime, Utc};
use tallybook_engine::{Batch, Call, Engine, Params, Session, all, one, params};

use super::repository::Repository;
use crate::error::Result;
use crate::newest::{List, Pages, Read, Spelled};
use crate::page::Window;
use crate::table::Table;

impl<S: Session, T: Table> Repository<'_, S, T> {
    /// A window on a list whose condition has these parameters.
    pub(super) async fn window(
        &mut self,
        list: &'static List,
        condition: impl Fn() -> Params + Send + Sync,
        window: Window,
        call: Call,
    ) -> Result<Vec<T>> {
        let (limit, skip) = (i64::from(window.limit), i64::from(window.skip));
        let more = self.rows_behind();
        let statement = if more > 0 && skip > 0 { &list.skipping } else { &list.newest };
        let query = all::<Spelled<T>>(statement, condition().and(&(limit + more)).and(&skip));
        let rows = self.fetch(query.called(call)).await?;
        if let Some((rows, _)) = self.settled(list, rows, window.limit, &condition, call).await? {
            return Ok(rows);
        }
        // On the heap, as all that few calls come to: the future of a call stays as small as that of one statement.
        Box::pin(self.fetch(all(&list.settled, condition().and(&limit).and(&skip)).called(call))).await
    }

    /// The first rows of all, or those behind a place, and whether others follow.
    pub(super) async fn page(
        &mut self,
        place: Option<(Option<DateTime<Utc>>, i64)>,
        limit: u32,
        call: Call,
    ) -> Result<(Vec<T>, bool)> {
        let params = || match place {
            None => params![],
            Some((Some(time), id)) => params![time, id],
            Some((None, id)) => params![id],
        };
        let statements = T::statements();
        let most = u64::from(limit) + 1;
        let statement = statements.pages.newest(self.session.engine(), place.is_some(), most);
        let rows = self.fetch(all::<Spelled<T>>(statement, params()).called(call)).await?;
        let may_hide = self.rows_behind() > 0 && place.is_some() && rows.is_empty();
        if !may_hide
            && let Some(read) = self.settled(&statements.list, rows, limit, || params![], call).await?
        {
            return Ok(read);
        }
        let settled = Pages::settled::<T>(place.is_some(), most);
        let mut rows: Vec<T> = Box::pin(self.fetch(all(settled, params()).called(call))).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        Ok((rows, more))
    }

    /// Rows to read behind those that are asked for: on SQLite one tells whether the moment of the last goes on.
    pub(super) fn rows_behind(&self) -> i64 {
        i64::from(T::ORDER.is_some() && self.session.engine() == Engine::Sqlite)
    }

    /// The first `limit` rows of those read by the index and whether others follow, where that is right.
    pub(super) async fn settled(
        &mut self,
        list: &'static List,
        rows: Vec<Spelled<T>>,
        limit: u32,
        condition: impl Fn() -> Params + Send,
        call: Call,
    ) -> Result<Option<(Vec<T>, bool)>> {
        Ok(match Read::new(rows, limit as usize, self.rows_behind() > 0) {
            Read::Settled(rows, more) => Some((rows, more)),
            Read::Unsettled => None,
            Read::Unless(texts, rows) => {
                let query = one::<(bool,)>(&list.has_texts, condition().and(&texts));
                let (is_there,) = Box::pin(self.fetch(query.called(call))).await?;
                (!is_there).then_some((rows, true))
            }
        })
    }
}
