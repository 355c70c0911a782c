//! Rows: decoding by position, checked by column name, the same for both drivers.

mod array_ref;
mod column;
mod column_names;
mod decode;
mod decode_error;
mod key_sample;
#[doc(hidden)]
pub mod nested;
mod tuple;
mod value_ref;

pub use array_ref::ArrayRef;
pub use column::Column;
pub use decode::Decode;
pub use decode_error::DecodeError;
pub use value_ref::ValueRef;

pub use column_names::{check_names, is_named_on_postgres, is_named_on_sqlite};

pub use key_sample::{Key, KeyColumn, KeySample, is_key, parameter};

use crate::error::{Error, Result};
use crate::value::{SqlType, Value};

/// A struct that is decoded from a row and encoded into one, column by column in the order of its fields.
///
/// The result must have one column for each field, in the same order and with the same name, without regard to ASCII
/// case. Each statement is checked once a connection. Two columns with the same name, as in `SELECT t.id, p.id`, need
/// an alias: `p.id AS portfolio_id`. An expression without a name (`count(*)`) matches by its position; PostgreSQL
/// names it after its function, so it is refused if another field has that name. A tuple matches by position only.
///
/// Derive it. `#[row(max = 20)]` on a text field refuses longer texts before they reach the database. `#[row(numeric)]` on
/// a decimal field says that the column is `numeric`, and `#[row(numeric(20, 8))]` refuses decimals that its precision and
/// scale would round. `#[row(pg_enum)]` on a text field says that the column has an enum type on PostgreSQL. `#[row(nested)]`
/// on a field that is itself a row reads its columns there, as below.
///
/// ```
/// use tallybook::Row;
///
/// #[derive(Row)]
/// struct Note {
///     id: i64,
///     #[row(max = 80)]
///     title: String,
///     stars: Option<i64>,
/// }
///
/// assert_eq!(Note::COLUMN_LIST, "id, title, stars");
/// let long = Note { id: 1, title: "x".repeat(81), stars: None };
/// assert!(long.encode().unwrap_err().to_string().contains("title"));
/// ```
///
/// # Joins
///
/// `#[row(nested)]` on a field of another row type reads that row from the next columns of the result, whose names begin with
/// the name of the field and an underscore: `portfolio_id`, `portfolio_name`. `prefix = "…"` chooses another beginning, and
/// `prefix = ""` none. An `Option` of a row is `None` if all its columns are NULL, as in an outer join.
/// [`select_list`](Row::select_list) writes the columns with their aliases:
///
/// ```
/// use tallybook::Row;
///
/// #[derive(Row)]
/// struct Trade {
///     id: i64,
///     symbol: String,
/// }
///
/// #[derive(Row)]
/// struct Session {
///     id: i64,
///     name: Option<String>,
/// }
///
/// #[derive(Row)]
/// struct TradeInSession {
///     #[row(nested, prefix = "")]
///     trade: Trade,
///     #[row(nested)]
///     session: Option<Session>,
///     executions: i64,
/// }
///
/// assert_eq!(TradeInSession::COLUMN_LIST, "id, symbol, session_id, session_name, executions");
/// assert_eq!(Trade::select_list("t", ""), "t.id, t.symbol");
/// assert_eq!(Session::select_list("s", "session_"), "s.id AS session_id, s.name AS session_name");
/// ```
pub trait Row: Sized + Send + 'static {
    /// The columns, in the order of the fields.
    const COLUMNS: &'static [Column];
    /// The column names, separated by commas, for `SELECT` and `INSERT`.
    const COLUMN_LIST: &'static str;

    /// Decodes a row.
    fn decode(row: RowRef<'_>) -> Result<Self>;

    /// Encodes the struct as one value for each column. An error names the column whose value can't be stored
    /// unchanged.
    fn encode(&self) -> Result<Vec<Value>>;

    /// Returns the columns of a table with this alias for `SELECT`, each called by its name with a prefix, as the field of a
    /// [nested row](Row#joins) expects it.
    fn select_list(alias: &str, prefix: &str) -> String {
        let columns = Self::COLUMNS.iter().map(|Column { name, .. }| match prefix {
            "" => format!("{alias}.{name}"),
            prefix => format!("{alias}.{name} AS {prefix}{name}"),
        });
        columns.collect::<Vec<_>>().join(", ")
    }
}

/// One row of a result, borrowed from its driver.
#[derive(Clone, Copy, Debug)]
pub struct RowRef<'r> {
    values: &'r [ValueRef<'r>],
}

impl<'r> RowRef<'r> {
    /// Returns a row of these values, in the order of the columns.
    #[inline]
    pub fn new(values: &'r [ValueRef<'r>]) -> Self {
        Self { values }
    }

    /// Returns the value at `index`, counted from 0, or NULL if the row is shorter.
    #[inline]
    pub fn value(self, index: usize) -> ValueRef<'r> {
        self.values.get(index).copied().unwrap_or(ValueRef::Null)
    }

    /// Decodes the value at `index`; an error names the column and the type.
    #[inline]
    pub fn get<T: Decode>(self, columns: &[Column], index: usize) -> Result<T> {
        T::decode(self.value(index)).map_err(|problem| decode_error(columns, index, T::SQL_TYPE, &problem))
    }

    /// Decodes the exact decimal at `index`, of a column that is declared `numeric`; an error names the column. A double
    /// is an error: SQLite has rounded it.
    #[inline]
    pub fn get_numeric<T: Decode>(self, columns: &[Column], index: usize) -> Result<T> {
        let value = match self.value(index) {
            ValueRef::Null => Ok(ValueRef::Null),
            value => value.numeric().map(ValueRef::Decimal),
        };
        value.and_then(T::decode).map_err(|problem| decode_error(columns, index, SqlType::Numeric, &problem))
    }
}

/// For the derive.
#[doc(hidden)]
impl<'r> RowRef<'r> {
    /// Decodes a row from the columns that begin at `index`.
    pub fn nested<R: Row>(self, index: usize) -> Result<R> {
        R::decode(self.part::<R>(index))
    }

    /// Decodes a row from the columns that begin at `index`; `None` if all are NULL.
    pub fn optional_nested<R: Row>(self, index: usize) -> Result<Option<R>> {
        let part = self.part::<R>(index);
        if part.values.iter().all(|value| value.is_null()) { Ok(None) } else { R::decode(part).map(Some) }
    }

    fn part<R: Row>(self, index: usize) -> Self {
        let rest = self.values.get(index..).unwrap_or_default();
        Self { values: rest.get(..R::COLUMNS.len()).unwrap_or(rest) }
    }
}

#[cold]
fn decode_error(columns: &[Column], index: usize, expected: SqlType, problem: &DecodeError) -> Error {
    let name = columns.get(index).map_or("?", |column| column.name);
    Error::decode(format!("column `{name}`"), expected, problem.to_string())
}
