//! Rows as structs, by position and checked by name, the same from both drivers.

mod cell;
mod decode;
mod keys;
mod names;
mod numeric;
pub(crate) mod postgres;
pub(crate) mod sqlite;
mod tuple;

pub use cell::{Cell, Misfit};
pub use decode::Decode;
pub use postgres::PgRow;
pub use sqlite::SqliteRow;

pub(crate) use names::{check_names, is_named_on_postgres, is_named_on_sqlite};

pub(crate) use keys::{Key, KeyColumn, Notes, Taken, is_key, parameter};

use cell::misfit;

use crate::error::{Error, Result};
use crate::value::{Encode, Kind, Value};

/// A column as a struct sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in the result, which is compared without regard to the case of ASCII letters. In a tuple it is the
    /// place, from 0 on, and compared with nothing.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be NULL: whether the field is an `Option`.
    pub nullable: bool,
    /// The most characters it may hold, from `#[row(max = …)]`.
    pub max: Option<usize>,
}

/// A struct that is read from a row and written to one, column by column in the order of its fields.
///
/// The result must have a column for each field, in the same order and of the same name, without regard to the case of
/// ASCII letters; that is checked once for each statement on a connection. Of two columns with the same name, as in
/// `SELECT t.id, p.id`, one needs another: `p.id AS portfolio_id`. An expression that was given no name (`count(*)`)
/// is read by its place; PostgreSQL calls it by its function, so that it is refused where another field has that name.
/// A tuple is read by its places only.
///
/// Derive it. `#[row(max = 20)]` on a text field refuses longer texts before the database sees them.
///
/// ```
/// use tallybook_engine::Row;
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
pub trait Row: Sized + Send + 'static {
    /// The columns, in the order of the fields.
    const COLUMNS: &'static [Column];
    /// The names of the columns with commas between, for `SELECT` and `INSERT`.
    const COLUMN_LIST: &'static str;

    /// Builds the struct from the cells of one row.
    fn decode<R: Cells>(cells: &R) -> Result<Self>;

    /// The values of the columns; an error names the column whose value can't be stored unchanged.
    fn encode(&self) -> Result<Vec<Value>>;
}

/// The cells of one row; implemented by the two drivers.
pub trait Cells {
    /// One value of the row.
    type Cell<'r>: Cell<'r>
    where
        Self: 'r;

    /// The value at `index`, which is below the number of columns checked before.
    fn cell(&self, index: usize) -> Self::Cell<'_>;

    /// Whether the timestamp at `index`, which could be read, is stored in another form than the engine writes: SQLite's
    /// indexes sort such a text elsewhere than its moment. PostgreSQL has none.
    fn is_foreign_timestamp(&self, _index: usize) -> bool {
        false
    }

    /// Decodes the value at `index`; an error names the column and the type.
    fn get<T: Decode>(&self, columns: &[Column], index: usize) -> Result<T> {
        T::decode(self.cell(index)).map_err(|problem| {
            let name = columns.get(index).map_or("?", |column| column.name);
            Error::misfit(format!("column `{name}`"), T::KIND, problem.to_string())
        })
    }
}

impl Column {
    /// Whether it is known by its place only.
    pub(crate) fn is_positional(&self) -> bool {
        self.name.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Reads a value as what the column holds.
    ///
    /// # Errors
    /// What was found instead, or what keeps the value from being stored as it is; never the value.
    pub fn read<'r>(&self, cell: impl Cell<'r>) -> Result<Value, String> {
        if cell.is_null() {
            return if self.nullable { Ok(Value::Null(self.kind)) } else { Err("found NULL".to_owned()) };
        }
        let value = match self.kind {
            Kind::Bool => cell.bool().map(|value| value.encode()),
            Kind::Int => cell.int().map(|value| value.encode()),
            Kind::Float => cell.float().map(|value| value.encode()),
            Kind::Decimal => cell.decimal().map(|value| value.encode()),
            Kind::Text => cell.text().map(str::encode),
            Kind::Timestamp => cell.timestamp().map(|value| value.encode()),
            Kind::Bytes => cell.bytes().map(<[u8]>::encode),
            Kind::Ints | Kind::Texts => Err(misfit("a list")),
        };
        let value = value.map_err(|found| format!("expected {}, found {found}", self.kind))??;
        self.check(value).map_err(|error| error.problem().map_or_else(|| error.to_string(), str::to_owned))
    }

    /// Checks the length of a text before the database sees it. Counts characters, as `varchar(n)` does.
    pub fn check(&self, value: Value) -> Result<Value> {
        if let (Some(max), Value::Text(text)) = (self.max, &value) {
            let length = text.chars().count();
            if length > max {
                return Err(Error::invalid_value(
                    self.name,
                    format!("has {length} characters, at most {max} fit"),
                ));
            }
        }
        Ok(value)
    }
}
