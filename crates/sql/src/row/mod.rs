//! Rows: decoding by position, checked by column name, the same for both drivers.

mod column_names;
mod decode;
mod key_sample;
mod tuple;
mod value_ref;

pub use decode::Decode;
pub use value_ref::{DecodeError, ValueRef};

pub use column_names::{check_names, is_named_on_postgres, is_named_on_sqlite};

pub use key_sample::{Key, KeyColumn, KeySample, is_key, parameter};

use crate::error::{Error, Result};
use crate::value::{Encode, SqlType, Value};

/// A column of a struct that implements [`Row`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name in the result, compared without regard to ASCII case. In a tuple it is the index, from 0, and not compared.
    pub name: &'static str,
    /// Type of the values.
    pub sql_type: SqlType,
    /// True if the field is an `Option`.
    pub nullable: bool,
    /// Maximum number of characters, from `#[row(max = …)]`.
    pub max: Option<usize>,
}

/// A struct that is decoded from a row and encoded into one, column by column in the order of its fields.
///
/// The result must have one column for each field, in the same order and with the same name, without regard to ASCII
/// case. Each statement is checked once a connection. Two columns with the same name, as in `SELECT t.id, p.id`, need
/// an alias: `p.id AS portfolio_id`. An expression without a name (`count(*)`) matches by its position; PostgreSQL
/// names it after its function, so it is refused if another field has that name. A tuple matches by position only.
///
/// Derive it. `#[row(max = 20)]` on a text field refuses longer texts before they reach the database.
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
}

/// One row of a result, borrowed from its driver.
#[derive(Clone, Copy, Debug)]
pub struct RowRef<'r> {
    values: &'r [ValueRef<'r>],
}

impl<'r> RowRef<'r> {
    /// Returns a row of these values, in the order of the columns.
    pub fn new(values: &'r [ValueRef<'r>]) -> Self {
        Self { values }
    }

    /// Returns the value at `index`, counted from 0, or NULL if the row is shorter.
    pub fn value(self, index: usize) -> ValueRef<'r> {
        self.values.get(index).copied().unwrap_or(ValueRef::Null)
    }

    /// Decodes the value at `index`; an error names the column and the type.
    pub fn get<T: Decode>(self, columns: &[Column], index: usize) -> Result<T> {
        T::decode(self.value(index)).map_err(|problem| {
            let name = columns.get(index).map_or("?", |column| column.name);
            Error::decode(format!("column `{name}`"), T::SQL_TYPE, problem.to_string())
        })
    }
}

impl Column {
    /// Returns whether the column matches by position only.
    pub fn is_positional(&self) -> bool {
        self.name.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Converts a value into the type of the column.
    ///
    /// # Errors
    ///
    /// Describes the value found, or the reason why it can't be stored unchanged. Never contains the value.
    pub fn read(&self, value: ValueRef<'_>) -> Result<Value, String> {
        if value.is_null() {
            return if self.nullable { Ok(Value::Null(self.sql_type)) } else { Err("found NULL".to_owned()) };
        }
        let value = match self.sql_type {
            SqlType::Bool => value.bool().map(|value| value.encode()),
            SqlType::Int => value.int().map(|value| value.encode()),
            SqlType::Float => value.float().map(|value| value.encode()),
            SqlType::Decimal => value.decimal().map(|value| value.encode()),
            SqlType::Text => value.text().map(str::encode),
            SqlType::Timestamp => value.timestamp().map(|value| value.encode()),
            SqlType::Bytes => value.bytes().map(<[u8]>::encode),
            SqlType::Ints | SqlType::Texts => Err(DecodeError::new("a list")),
        };
        let value = value.map_err(|found| format!("expected {}, found {found}", self.sql_type))??;
        self.check(value).map_err(|error| error.problem().map_or_else(|| error.to_string(), str::to_owned))
    }

    /// Checks the length of a text before it reaches the database. Counts characters, as `varchar(n)` does.
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
