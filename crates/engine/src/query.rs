//! Statements with their parameters and the shape of their result, and batches of them.

use smallvec::SmallVec;

use crate::call::Call;
use crate::error::{Error, Kind, Result};
use crate::row::{Cell, Cells, Column, Notes, PgRow, Row, SqliteRow, Taken};
use crate::settings::Engine;
use crate::statement::Statement;
use crate::stopwatch::Timing;
use crate::value::{Params, Value};

/// Every row of the result.
#[derive(Debug)]
pub struct All<T>(Fetch<T>);

/// The only row of the result, or none.
#[derive(Debug)]
pub struct Optional<T>(Fetch<T>);

/// The only row of the result.
#[derive(Debug)]
pub struct One<T>(Fetch<T>);

/// A statement of which only the number of rows it touched is wanted. For write sessions.
#[derive(Debug)]
pub struct Execute {
    request: Request,
    affected: u64,
}

/// All rows, as a `Vec<T>`.
///
/// ```
/// # use tallybook_engine::{Database, Settings, all, params};
/// # #[tokio::main]
/// # async fn main() -> tallybook_engine::Result<()> {
/// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
/// let squares = db
///     .read()
///     .await?
///     .run(all::<(i64, i64)>(
///         "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) SELECT i, i * i FROM n",
///         params![3],
///     ))
///     .await?;
/// assert_eq!(squares, [(1, 1), (2, 4), (3, 9)]);
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn all<T: Row>(statement: impl Into<Statement>, params: impl Into<Params>) -> All<T> {
    All(Fetch::new(statement, params, true))
}

/// The only row, as an `Option<T>`; several rows are an error.
#[track_caller]
pub fn optional<T: Row>(statement: impl Into<Statement>, params: impl Into<Params>) -> Optional<T> {
    Optional(Fetch::new(statement, params, false))
}

/// The only row, as a `T`; none or several are an error.
#[track_caller]
pub fn one<T: Row>(statement: impl Into<Statement>, params: impl Into<Params>) -> One<T> {
    One(Fetch::new(statement, params, false))
}

/// The number of rows touched, as a `u64`. A read session does not take it.
#[track_caller]
pub fn execute(statement: impl Into<Statement>, params: impl Into<Params>) -> Execute {
    Execute { request: Request::new(statement, params), affected: 0 }
}

/// A statement on its way: what to send, and how it went.
#[doc(hidden)]
#[derive(Debug)]
pub struct Request {
    pub(crate) statement: Statement,
    pub(crate) params: Result<Vec<Value>>,
    pub(crate) call: Call,
    pub(crate) rows: u64,
    /// The size of the rows, if it is wanted.
    pub(crate) bytes: u64,
    /// Once it ran, if it was timed.
    pub(crate) timing: Option<Timing>,
    /// The keys of its rows, if they are wanted.
    pub(crate) taken: Option<Taken>,
}

impl Request {
    #[track_caller]
    fn new(statement: impl Into<Statement>, params: impl Into<Params>) -> Self {
        Self::unsent(statement.into(), params.into().into_result(), Call::here())
    }

    fn unsent(statement: Statement, params: Result<Vec<Value>>, call: Call) -> Self {
        Self { statement, params, call, rows: 0, bytes: 0, timing: None, taken: None }
    }

    /// The same, not sent yet.
    fn twin(&self) -> Option<Self> {
        let params = Ok(self.params.as_ref().ok()?.clone());
        Some(Self::unsent(self.statement.clone(), params, self.call))
    }

    /// Takes what was noted of its rows.
    pub(crate) fn noted(&mut self, notes: Notes) {
        (self.bytes, self.taken) = notes.finish();
    }

    fn reset(&mut self) {
        (self.rows, self.bytes, self.timing) = (0, 0, None);
        if let Some(taken) = &mut self.taken {
            taken.reset();
        }
    }

    /// The values to bind; drivers run only after [`check`] found them good.
    pub(crate) fn values(&self) -> &[Value] {
        self.params.as_deref().unwrap_or_default()
    }
}

/// A single query, as the drivers see it: a request, and where its rows go.
#[doc(hidden)]
pub trait Query: Send {
    /// What to send.
    fn request(&mut self) -> &mut Request;
    /// The columns that its rows are decoded into; none for [`Execute`].
    fn columns(&self) -> Option<&'static [Column]>;
    /// Whether its result may have several rows.
    fn has_several_rows(&self) -> bool;
    /// Takes a row of PostgreSQL.
    fn postgres_row(&mut self, row: &PgRow<'_>) -> Result<()>;
    /// Takes a row of SQLite.
    fn sqlite_row(&mut self, row: &SqliteRow<'_>) -> Result<()>;
    /// Takes the number of rows that the statement touched.
    fn touched(&mut self, rows: u64);
    /// Forgets what came of a run that was broken off, before it is run again.
    fn reset(&mut self);
}

/// Queries that are sent together: one of [`All`], [`Optional`], [`One`] and [`Execute`], a tuple of up to eight
/// batches, or a `Vec` of batches of one kind.
///
/// Whatever it holds is one round trip and, in a read session, one snapshot.
pub trait Batch: Send + 'static {
    /// What the queries return, in their order.
    type Output: Send + 'static;

    /// Lends its queries, in the order in which they run.
    #[doc(hidden)]
    fn queries<'a>(&'a mut self, into: &mut Queries<'a>);

    /// The results, after all have run.
    #[doc(hidden)]
    fn finish(self) -> Result<Self::Output>;

    /// The same again, for a second server to answer; only of queries for one row.
    #[doc(hidden)]
    fn twin(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// Says for which line of code its queries run, where that is not the line that made them; see [`Call`].
    #[must_use]
    fn called(mut self, call: Call) -> Self
    where
        Self: Sized,
    {
        for query in queries(&mut self) {
            query.request().call = call;
        }
        self
    }
}

/// The queries of a batch, in the order in which they run.
#[doc(hidden)]
pub type Queries<'a> = SmallVec<[&'a mut dyn Query; 4]>;

/// A batch that a read session takes: one without [`Execute`].
pub trait ReadBatch: Batch {}

/// Rows as they are decoded.
#[derive(Debug)]
struct Fetch<T> {
    request: Request,
    rows: Vec<T>,
    is_many: bool,
}

impl<T: Row> Fetch<T> {
    #[track_caller]
    fn new(statement: impl Into<Statement>, params: impl Into<Params>, is_many: bool) -> Self {
        Self { request: Request::new(statement, params), rows: Vec::new(), is_many }
    }

    fn twin(&self) -> Option<Self> {
        (!self.is_many).then_some(())?;
        Some(Self { request: self.request.twin()?, rows: Vec::new(), is_many: false })
    }

    fn push(&mut self, row: &impl Cells) -> Result<()> {
        self.rows.push(T::decode(row).map_err(|error| {
            let id = T::COLUMNS.iter().position(|column| column.name == "id");
            error.at_row(self.rows.len() + 1).of_id(id.and_then(|id| row.cell(id).int().ok()))
        })?);
        Ok(())
    }

    fn at_most_one(mut self, expected: &'static str) -> Result<Option<T>> {
        let found = self.rows.len();
        if found > 1 {
            return Err(Error::new(Kind::RowCount { expected, found }));
        }
        Ok(self.rows.pop())
    }
}

impl<T: Row> Query for Fetch<T> {
    fn request(&mut self) -> &mut Request {
        &mut self.request
    }

    fn columns(&self) -> Option<&'static [Column]> {
        Some(T::COLUMNS)
    }

    fn has_several_rows(&self) -> bool {
        self.is_many
    }

    fn postgres_row(&mut self, row: &PgRow<'_>) -> Result<()> {
        self.push(row)
    }

    fn sqlite_row(&mut self, row: &SqliteRow<'_>) -> Result<()> {
        self.push(row)
    }

    fn touched(&mut self, _rows: u64) {
        self.request.rows = self.rows.len() as u64;
    }

    fn reset(&mut self) {
        self.rows.clear();
        self.request.reset();
    }
}

impl Query for Execute {
    fn request(&mut self) -> &mut Request {
        &mut self.request
    }

    fn columns(&self) -> Option<&'static [Column]> {
        None
    }

    fn has_several_rows(&self) -> bool {
        false
    }

    fn postgres_row(&mut self, _row: &PgRow<'_>) -> Result<()> {
        Ok(())
    }

    fn sqlite_row(&mut self, _row: &SqliteRow<'_>) -> Result<()> {
        Ok(())
    }

    fn touched(&mut self, rows: u64) {
        self.affected = rows;
        self.request.rows = rows;
    }

    fn reset(&mut self) {
        self.affected = 0;
        self.request.reset();
    }
}

impl Batch for Execute {
    type Output = u64;

    fn queries<'a>(&'a mut self, into: &mut Queries<'a>) {
        into.push(self);
    }

    fn finish(self) -> Result<u64> {
        Ok(self.affected)
    }
}

macro_rules! fetch_batch {
    ($($shape:ident => $output:ty, |$fetch:ident| $finish:expr;)*) => {$(
        impl<T: Row> Batch for $shape<T> {
            type Output = $output;

            fn queries<'a>(&'a mut self, into: &mut Queries<'a>) {
                into.push(&mut self.0);
            }

            fn twin(&self) -> Option<Self> {
                self.0.twin().map(Self)
            }

            fn finish(self) -> Result<$output> {
                let $fetch = self.0;
                $finish
            }
        }

        impl<T: Row> ReadBatch for $shape<T> {}
    )*};
}

fetch_batch! {
    All => Vec<T>, |fetch| Ok(fetch.rows);
    Optional => Option<T>, |fetch| fetch.at_most_one("at most one row");
    One => T, |fetch| fetch.at_most_one("one row")?
        .ok_or_else(|| Error::new(Kind::RowCount { expected: "one row", found: 0 }));
}

impl<B: Batch> Batch for Vec<B> {
    type Output = Vec<B::Output>;

    fn queries<'a>(&'a mut self, into: &mut Queries<'a>) {
        for batch in self {
            batch.queries(into);
        }
    }

    fn finish(self) -> Result<Self::Output> {
        self.into_iter().map(B::finish).collect()
    }
}

impl<B: ReadBatch> ReadBatch for Vec<B> {}

macro_rules! tuple_batch {
    ($($batch:ident $index:tt),+) => {
        impl<$($batch: Batch),+> Batch for ($($batch,)+) {
            type Output = ($($batch::Output,)+);

            fn queries<'a>(&'a mut self, into: &mut Queries<'a>) {
                $(self.$index.queries(into);)+
            }

            fn finish(self) -> Result<Self::Output> {
                Ok(($(self.$index.finish()?,)+))
            }
        }

        impl<$($batch: ReadBatch),+> ReadBatch for ($($batch,)+) {}
    };
}

tuple_batch!(A 0, B 1);
tuple_batch!(A 0, B 1, C 2);
tuple_batch!(A 0, B 1, C 2, D 3);
tuple_batch!(A 0, B 1, C 2, D 3, E 4);
tuple_batch!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple_batch!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple_batch!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

/// The queries of a batch, in the order in which they run.
pub(crate) fn queries<B: Batch>(batch: &mut B) -> Queries<'_> {
    let mut queries = Queries::new();
    batch.queries(&mut queries);
    queries
}

/// Forgets what came of a run, before the batch is sent again.
pub(crate) fn reset<B: Batch>(batch: &mut B) {
    queries(batch).into_iter().for_each(Query::reset);
}

/// Reports the first refused parameter, before anything is sent.
pub(crate) fn check<B: Batch>(batch: &mut B) -> Result<()> {
    for query in queries(batch) {
        let request = query.request();
        if request.params.is_err() {
            let refused = std::mem::replace(&mut request.params, Ok(Vec::new()));
            return refused
                .map(drop)
                .map_err(|error| error.with_statement(request.statement.sql(Engine::Postgres)));
        }
    }
    Ok(())
}
