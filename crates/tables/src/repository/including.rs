//! Loads that include relations chosen at run time.

use std::future::Future;
use std::marker::PhantomData;

use tallybook_core::{Batch, CallSite, Encode, Session, Value};

use super::lists::list_statements;
use super::{IdOf, Repository, in_order, list};
use crate::error::Result;
use crate::id::Id;
use crate::load::{Binding, Include, Load, PlanKey, ReadRows, Related, Relations, join};
use crate::table::{BelongsTo, Table};
use crate::time_order::{IndexedRow, newest_first, take_per_parent};

/// The loads of a repository, with the [`Chosen`](crate::tables::Chosen) relations of `A` that an [`Include`] has:
/// [`Repository::including`] returns it.
///
/// Each load takes one statement for each table that is read, those of other relations not included, in one round trip.
#[derive(Debug)]
pub struct Including<'s, S, T, A: Load> {
    repository: Repository<'s, S, T>,
    include: Include<A>,
}

impl<S, T: Table> Repository<'_, S, T> {
    /// Returns the loads that include these relations, of which the other loads include none.
    ///
    /// ```
    /// use tallybook::Session;
    /// use tallybook::book::{Portfolio, Portfolios, Position, Trade};
    /// use tallybook::tables::{Aggregate, Id, Include, Result};
    ///
    /// #[derive(Clone, Debug, Aggregate)]
    /// struct Overview {
    ///     #[root]
    ///     portfolio: Portfolio,
    ///     #[many]
    ///     positions: Option<Vec<Position>>,
    ///     #[many(newest = 20)]
    ///     trades: Option<Vec<Trade>>,
    /// }
    ///
    /// async fn overview(session: &mut impl Session, id: Id<Portfolio>, include: &str) -> Result<Option<Overview>> {
    ///     let include = Include::<Overview>::parse(include)?;
    ///     Portfolios::new(session).including(include).load(id).await
    /// }
    /// ```
    pub fn including<A: Load<Root = T>>(&mut self, include: Include<A>) -> Including<'_, S, T, A> {
        let suggestion = self.suggestion.take();
        let repository = Repository { session: &mut *self.session, suggestion, table: PhantomData };
        Including { repository, include }
    }
}

/// The rows that a load begins with.
struct Start {
    key: PlanKey,
    /// The first parameter: an identifier or a list of them.
    value: Value,
    /// The second parameter.
    limit: Option<u32>,
    call: CallSite,
}

impl Start {
    fn one<T: Table>(by: &'static str, id: IdOf<T>, call: CallSite) -> Result<Self> {
        let refused = |problem| tallybook_core::Error::invalid_value(by, problem);
        let value = id.encode().map_err(refused)?;
        Ok(Self {
            key: PlanKey { by, is_list: false, newest: false, by_time: false },
            value,
            limit: None,
            call,
        })
    }

    fn many<T: Table>(by: &'static str, ids: &[IdOf<T>], call: CallSite) -> Self {
        let value = list::<T>(ids);
        Self { key: PlanKey { by, is_list: true, newest: false, by_time: false }, value, limit: None, call }
    }

    fn newest(self, limit: u32) -> Self {
        Self { key: PlanKey { newest: true, ..self.key }, limit: Some(limit), ..self }
    }
}

impl<S: Session, T: Table, A: Load<Root = T>> Including<'_, S, T, A> {
    /// As [`Repository::load`].
    ///
    /// # Errors
    /// As [`Repository::load`].
    #[track_caller]
    pub fn load(mut self, id: IdOf<T>) -> impl Future<Output = Result<Option<A>>> + Send {
        let call = self.repository.call_site_or(|| A::plans().load_many(self.include));
        async move {
            let start = Start::one("id", id, call)?;
            Ok(self.run(start, |rows| rows, |_| None).await?.pop())
        }
    }

    /// As [`Repository::load_many`].
    ///
    /// # Errors
    /// As [`Repository::load`].
    #[track_caller]
    pub fn load_many(mut self, ids: &[IdOf<T>]) -> impl Future<Output = Result<Vec<A>>> + Send {
        let call = self.repository.call_site();
        async move {
            let start = Start::many("id", ids, call);
            self.run(start, |rows| in_order(ids, rows), |_| None).await
        }
    }

    /// As [`Repository::load_of`].
    ///
    /// # Errors
    /// As [`Repository::load`].
    #[track_caller]
    pub fn load_of<P: Table>(mut self, parent: IdOf<P>) -> impl Future<Output = Result<Vec<A>>> + Send
    where
        T: BelongsTo<P>,
    {
        let call = self.repository.call_site_or(|| A::plans().load_of_many(self.include));
        async move {
            let start = Start::one(T::BY, parent, call)?;
            self.run(start, newest_first, |_| None).await
        }
    }

    /// As [`Repository::load_of_many`].
    ///
    /// # Errors
    /// As [`Repository::load`].
    #[track_caller]
    pub fn load_of_many<P: Table>(
        mut self,
        parents: &[IdOf<P>],
    ) -> impl Future<Output = Result<Vec<A>>> + Send
    where
        T: BelongsTo<P>,
    {
        let call = self.repository.call_site();
        async move {
            let start = Start::many(T::BY, parents, call);
            self.run(start, newest_first, |_| None).await
        }
    }

    /// As [`Repository::load_newest_of`].
    ///
    /// # Errors
    /// As [`Repository::load`].
    #[track_caller]
    pub fn load_newest_of<P: Table>(
        mut self,
        parent: IdOf<P>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<A>>> + Send
    where
        T: BelongsTo<P>,
    {
        let call = self.repository.call_site_or(|| A::plans().load_newest_of_many(self.include));
        async move {
            let start = Start::one(T::BY, parent, call)?.newest(limit);
            self.run(start, newest_first, |_| None).await
        }
    }

    /// As [`Repository::load_newest_of_many`].
    ///
    /// # Errors
    /// As [`Repository::load`].
    #[track_caller]
    pub fn load_newest_of_many<P: Table>(
        mut self,
        parents: &[IdOf<P>],
        limit: u32,
    ) -> impl Future<Output = Result<Vec<A>>> + Send
    where
        T: BelongsTo<P>,
    {
        let call = self.repository.call_site();
        async move {
            let start = Start::many(T::BY, parents, call).newest(limit);
            self.run(start, newest_first, |rows| {
                take_per_parent(rows, |row| row.owner().map(Id::get), limit as usize)
            })
            .await
        }
    }

    /// Runs a load. `arrange` sorts the rows that it begins with, and `newest_of_each` checks the newest of many parents.
    async fn run(
        &mut self,
        mut start: Start,
        arrange: impl Fn(Vec<T>) -> Vec<T> + Send,
        newest_of_each: impl FnOnce(Vec<IndexedRow<T>>) -> Option<Vec<T>> + Send,
    ) -> Result<Vec<A>> {
        let (rows, related) = self.read(&start).await?;
        let rows = match rows {
            ReadRows::Whole(rows) => Some(arrange(rows)),
            ReadRows::Newest(rows) if start.key.is_list => newest_of_each(rows),
            ReadRows::Newest(rows) => self.newest(&start, rows).await?,
        };
        if let Some(rows) = rows
            && let Some(joined) = join(rows, related)?
        {
            return Ok(joined);
        }
        start.key.by_time = true;
        let (rows, related) = Box::pin(self.read(&start)).await?;
        let joined = join(arrange(rows.unchecked()), related)?;
        Ok(joined.expect("rows in the order of canonical time need no check"))
    }

    /// Runs the statements of a load.
    async fn read(&mut self, start: &Start) -> Result<(ReadRows<T>, Related<A>)> {
        let (key, included) = (start.key, self.include.included());
        let plan = A::plans().get::<A>(key);
        let lookahead = if key.by_time { 0 } else { self.repository.lookahead() };
        let values = |more| -> Vec<Value> {
            let limit = start.limit.map(|limit| Value::Int(i64::from(limit) + more));
            [start.value.clone()].into_iter().chain(limit).collect()
        };
        let (first, others) = plan.split_at(1);
        let roots = Binding::new(first, &values(lookahead), key.by_time, included).next::<T>(key.newest);
        let roots = if key.by == "id" && !key.is_list { roots.of_one_row() } else { roots };
        let related = A::RELATIONS.batch(&mut Binding::new(others, &values(0), key.by_time, included));
        self.repository.fetch((roots, related).called(start.call)).await
    }

    /// Checks the order of the newest rows of one parent.
    async fn newest(&mut self, start: &Start, rows: Vec<IndexedRow<T>>) -> Result<Option<Vec<T>>> {
        let list = list_statements::<T>(&format!("{} = $1", start.key.by), || 1);
        let values = std::slice::from_ref(&start.value);
        let limit = start.limit.unwrap_or(u32::MAX);
        Ok(self.repository.check_order(&list, rows, limit, values, start.call).await?.map(|(rows, _)| rows))
    }
}
