//! Queries and batches: a statement, its parameters, and the shape of its result.

use smallvec::SmallVec;

use crate::call_site::CallSite;
use crate::dialect::Dialect;
use crate::error::{Error, ErrorDetail, Result};
use crate::row::{Column, KeySample, Row, RowRef, ValueRef};
use crate::statement::Statement;
use crate::stopwatch::Timing;
use crate::value::{Params, Value};

/// A query for all rows; see [`all`].
#[derive(Debug)]
pub struct All<T>(Fetch<T>);

/// A query for at most one row; see [`optional`].
#[derive(Debug)]
pub struct Optional<T>(Fetch<T>);

/// A query for exactly one row; see [`one`].
#[derive(Debug)]
pub struct One<T>(Fetch<T>);

/// A statement that returns the number of affected rows; see [`execute`]. For write sessions.
#[derive(Debug)]
pub struct Execute {
    request: Box<Request>,
    affected: u64,
}

/// Returns a query for all rows, as a `Vec<T>`.
///
/// ```
/// # use tallybook::{Database, Settings, all, params};
/// # #[tokio::main]
/// # async fn main() -> tallybook::Result<()> {
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
    All(Fetch::new(statement, params, RowCount::Any))
}

/// Returns a query for at most one row, as an `Option<T>`. Running it fails if there are several rows.
#[track_caller]
pub fn optional<T: Row>(statement: impl Into<Statement>, params: impl Into<Params>) -> Optional<T> {
    Optional(Fetch::new(statement, params, RowCount::AtMostOne))
}

/// Returns a query for exactly one row, as a `T`. Running it fails if there is no row or there are several.
#[track_caller]
pub fn one<T: Row>(statement: impl Into<Statement>, params: impl Into<Params>) -> One<T> {
    One(Fetch::new(statement, params, RowCount::One))
}

/// Returns a query that executes a statement and returns the number of affected rows. Read sessions do not accept it.
#[track_caller]
pub fn execute(statement: impl Into<Statement>, params: impl Into<Params>) -> Execute {
    Execute { request: Box::new(Request::new(statement, params)), affected: 0 }
}

/// A statement with its parameters, and the statistics of its execution.
#[doc(hidden)]
#[derive(Debug)]
pub struct Request {
    pub statement: Statement,
    pub params: Result<Vec<Value>>,
    pub call_site: CallSite,
    pub rows: u64,
    /// Bytes of the rows, if they are counted.
    pub bytes: u64,
    /// Time of the execution, if it was measured.
    pub timing: Option<Timing>,
    /// Keys of the rows, if they are sampled.
    pub key_sample: Option<KeySample>,
}

impl Request {
    #[track_caller]
    fn new(statement: impl Into<Statement>, params: impl Into<Params>) -> Self {
        Self::unsent(statement.into(), params.into().into_result(), CallSite::here())
    }

    fn unsent(statement: Statement, params: Result<Vec<Value>>, call_site: CallSite) -> Self {
        Self { statement, params, call_site, rows: 0, bytes: 0, timing: None, key_sample: None }
    }

    fn reset(&mut self) {
        (self.rows, self.bytes, self.timing) = (0, 0, None);
        if let Some(sample) = &mut self.key_sample {
            sample.reset();
        }
    }

    /// Returns the values to bind. A driver runs only after [`check`] has accepted them.
    pub fn values(&self) -> &[Value] {
        self.params.as_deref().unwrap_or_default()
    }
}

/// One query as a driver sees it: the request, and the destination of its rows.
#[doc(hidden)]
pub trait Query: Send {
    /// Returns the request.
    fn request(&mut self) -> &mut Request;
    /// Returns the columns that the rows are decoded into; `None` for [`Execute`].
    fn columns(&self) -> Option<&'static [Column]>;
    /// Returns whether the result may have several rows.
    fn has_several_rows(&self) -> bool;
    /// Decodes a row and stores it.
    fn row(&mut self, row: RowRef<'_>) -> Result<()>;
    /// Stores the number of affected rows.
    fn touched(&mut self, rows: u64);
    /// Returns the error of a result with too few or too many rows, after the query has run.
    fn check_rows(&self) -> Result<()>;
    /// Discards the results of an interrupted execution, before the next one.
    fn reset(&mut self);
}

/// Queries that run together: one of [`All`], [`Optional`], [`One`] and [`Execute`], a tuple of up to eight batches, a
/// `Vec` of batches of one type, or an `Option` of a batch, which runs nothing if it is `None`.
///
/// A batch takes one round trip. In a read session all of its queries see one snapshot.
pub trait Batch: Send + 'static {
    /// The results of the queries, in their order.
    type Output: Send + 'static;

    /// Appends its queries, in the order in which they run.
    #[doc(hidden)]
    fn queries<'a>(&'a mut self, into: &mut Queries<'a>);

    /// Takes the results, after all queries have run. The queries keep their statements and statistics.
    #[doc(hidden)]
    fn finish(&mut self) -> Result<Self::Output>;

    /// Sets the source line that the queries are attributed to, in place of the line that built them; see [`CallSite`].
    #[must_use]
    fn called(mut self, call_site: CallSite) -> Self
    where
        Self: Sized,
    {
        for query in queries(&mut self) {
            query.request().call_site = call_site;
        }
        self
    }
}

/// The queries of a batch, in the order in which they run.
#[doc(hidden)]
pub type Queries<'a> = SmallVec<[&'a mut dyn Query; 4]>;

/// A batch that a read session accepts: one without [`Execute`].
pub trait ReadBatch: Batch {}

/// A query and the rows decoded so far.
#[derive(Debug)]
struct Fetch<T> {
    /// On the heap: each layer of a session holds the query in its future, and futures are moved before they run.
    request: Box<Request>,
    rows: Vec<T>,
    is_many: bool,
    expected: RowCount,
    /// Rows that a stream has taken out of `rows`.
    taken: usize,
}

/// The number of rows that a query accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RowCount {
    Any,
    AtMostOne,
    One,
}

impl<T: Row> Fetch<T> {
    #[track_caller]
    fn new(statement: impl Into<Statement>, params: impl Into<Params>, expected: RowCount) -> Self {
        let request = Box::new(Request::new(statement, params));
        Self { request, rows: Vec::new(), is_many: expected == RowCount::Any, expected, taken: 0 }
    }

    fn push(&mut self, row: RowRef<'_>) -> Result<()> {
        self.rows.push(T::decode(row).map_err(|error| {
            let id = T::COLUMNS.iter().position(|column| column.name == "id");
            error
                .at_row(self.taken + self.rows.len() + 1)
                .with_row_id(id.and_then(|id| row.value(id).int().ok()))
        })?);
        Ok(())
    }

    fn check_rows(&self) -> Result<()> {
        let found = self.rows.len();
        let (expected, fits) = match self.expected {
            RowCount::Any => return Ok(()),
            RowCount::AtMostOne => ("at most one row", found <= 1),
            RowCount::One => ("one row", found == 1),
        };
        if fits { Ok(()) } else { Err(Error::new(ErrorDetail::RowCount { expected, found })) }
    }

    fn only(&mut self) -> Result<Option<T>> {
        self.check_rows()?;
        Ok(self.rows.pop())
    }
}

/// For streams, which take rows out while others are still to come, and for loads.
#[doc(hidden)]
impl<T: Row> All<T> {
    /// Declares that the result has at most one row, which the monitor needs to know before it runs.
    #[must_use]
    pub fn of_one_row(mut self) -> Self {
        self.0.is_many = false;
        self
    }

    /// Returns it as a driver sees it.
    pub fn query(&mut self) -> &mut dyn Query {
        &mut self.0
    }

    /// Returns the number of decoded rows that were not taken yet.
    pub fn waiting_rows(&self) -> usize {
        self.0.rows.len()
    }

    /// Takes the decoded rows.
    pub fn take_rows(&mut self) -> Vec<T> {
        self.0.taken += self.0.rows.len();
        std::mem::take(&mut self.0.rows)
    }

    /// Returns the same query with its key sample, for another thread that decodes the rows.
    pub fn for_thread(&mut self) -> Self {
        let request = &mut self.0.request;
        let params = Ok(request.values().to_vec());
        let mut other = Request::unsent(request.statement.clone(), params, request.call_site);
        other.key_sample = request.key_sample.take();
        let request = Box::new(other);
        Self(Fetch { request, rows: Vec::new(), is_many: true, expected: RowCount::Any, taken: 0 })
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

    fn row(&mut self, row: RowRef<'_>) -> Result<()> {
        self.push(row)
    }

    fn touched(&mut self, _rows: u64) {
        self.request.rows = (self.taken + self.rows.len()) as u64;
    }

    fn check_rows(&self) -> Result<()> {
        Fetch::check_rows(self)
    }

    fn reset(&mut self) {
        self.rows.clear();
        self.taken = 0;
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

    fn row(&mut self, _row: RowRef<'_>) -> Result<()> {
        Ok(())
    }

    fn touched(&mut self, rows: u64) {
        self.affected = rows;
        self.request.rows = rows;
    }

    fn check_rows(&self) -> Result<()> {
        Ok(())
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

    fn finish(&mut self) -> Result<u64> {
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

            fn finish(&mut self) -> Result<$output> {
                let $fetch = &mut self.0;
                $finish
            }
        }

        impl<T: Row> ReadBatch for $shape<T> {}
    )*};
}

fetch_batch! {
    All => Vec<T>, |fetch| Ok(std::mem::take(&mut fetch.rows));
    Optional => Option<T>, |fetch| fetch.only();
    One => T, |fetch| fetch.only()?
        .ok_or_else(|| Error::new(ErrorDetail::RowCount { expected: "one row", found: 0 }));
}

impl<B: Batch> Batch for Vec<B> {
    type Output = Vec<B::Output>;

    fn queries<'a>(&'a mut self, into: &mut Queries<'a>) {
        for batch in self {
            batch.queries(into);
        }
    }

    fn finish(&mut self) -> Result<Self::Output> {
        self.iter_mut().map(B::finish).collect()
    }
}

impl<B: ReadBatch> ReadBatch for Vec<B> {}

impl<B: Batch> Batch for Option<B> {
    type Output = Option<B::Output>;

    fn queries<'a>(&'a mut self, into: &mut Queries<'a>) {
        if let Some(batch) = self {
            batch.queries(into);
        }
    }

    fn finish(&mut self) -> Result<Self::Output> {
        self.as_mut().map(B::finish).transpose()
    }
}

impl<B: ReadBatch> ReadBatch for Option<B> {}

impl Batch for () {
    type Output = ();

    fn queries<'a>(&'a mut self, _into: &mut Queries<'a>) {}

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

impl ReadBatch for () {}

macro_rules! tuple_batch {
    ($($batch:ident $index:tt),+) => {
        impl<$($batch: Batch),+> Batch for ($($batch,)+) {
            type Output = ($($batch::Output,)+);

            fn queries<'a>(&'a mut self, into: &mut Queries<'a>) {
                $(self.$index.queries(into);)+
            }

            fn finish(&mut self) -> Result<Self::Output> {
                Ok(($(self.$index.finish()?,)+))
            }
        }

        impl<$($batch: ReadBatch),+> ReadBatch for ($($batch,)+) {}
    };
}

tuple_batch!(A 0);
tuple_batch!(A 0, B 1);
tuple_batch!(A 0, B 1, C 2);
tuple_batch!(A 0, B 1, C 2, D 3);
tuple_batch!(A 0, B 1, C 2, D 3, E 4);
tuple_batch!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple_batch!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple_batch!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

/// Returns the queries of a batch, in the order in which they run.
pub fn queries<B: Batch>(batch: &mut B) -> Queries<'_> {
    let mut queries = Queries::new();
    batch.queries(&mut queries);
    queries
}

/// Passes the next row of its result to a query; `size` is in bytes.
#[inline]
pub fn take_row(query: &mut dyn Query, values: &[ValueRef<'_>], size: u64) -> Result<()> {
    let request = query.request();
    request.bytes += size;
    if let Some(sample) = &mut request.key_sample {
        sample.row(values);
    }
    query.row(RowRef::new(values))
}

/// Discards the results of an execution, before the batch is sent again.
pub fn reset<B: Batch>(batch: &mut B) {
    queries(batch).into_iter().for_each(Query::reset);
}

/// Returns the error of the first result with too few or too many rows.
pub fn check_rows(queries: &[&mut dyn Query]) -> Result<()> {
    let mut positions = queries.iter().enumerate();
    positions
        .try_for_each(|(position, query)| query.check_rows().map_err(|error| error.at_position(position)))
}

/// Returns the error of the first invalid parameter, before anything is sent.
pub fn check<B: Batch>(batch: &mut B) -> Result<()> {
    for query in queries(batch) {
        let request = query.request();
        if request.params.is_err() {
            let refused = std::mem::replace(&mut request.params, Ok(Vec::new()));
            return refused
                .map(drop)
                .map_err(|error| error.with_statement(request.statement.sql(Dialect::Postgres)));
        }
    }
    Ok(())
}
