//! Samples the keys of a result while it is decoded.
//!
//! The N+1 detector compares them with the parameters of later queries: a match proves the origin of the loop.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use chrono::Datelike;
use foldhash::fast::FixedState;
use uuid::Uuid;

use super::{Column, ValueRef};
use crate::value::{SqlType, Value, f64_from_decimal, format_time};

/// Rows of a result whose keys are sampled.
const MAX_KEY_ROWS: u64 = 1_024;
/// Rows of a result whose other texts are sampled: enough for a suspicion, not for proof.
const TEXT_ROWS: u64 = 16;
/// Columns of a result that are considered.
const MAX_COLUMNS: usize = 64;
/// Longest text that is sampled, in bytes. A longer one identifies nothing.
const MAX_TEXT_BYTES: usize = 64;

/// A sampled column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyColumn {
    /// Index of the column in the result.
    pub index: usize,
    /// Name of the column in the result.
    pub name: Box<str>,
    /// The table whose rows the values identify, if the type of the field tells.
    pub references: Option<&'static str>,
    sql_type: SqlType,
    is_key: bool,
}

impl KeyColumn {
    /// Returns whether the column identifies rows of its own table or of another. Otherwise it is a text that may.
    pub fn is_key(&self) -> bool {
        self.is_key
    }
}

/// Returns whether the name is that of a key: `id` or `…_id`.
pub fn is_key(name: &str) -> bool {
    name == "id" || name.ends_with("_id")
}

/// Returns whether the values of a column are worth sampling.
fn is_kept(name: &str, column: &Column) -> bool {
    match column.sql_type {
        SqlType::Int | SqlType::Uuid => column.references.is_some() || is_key(name),
        SqlType::Text | SqlType::Enum => !name.ends_with("_json"),
        _ => false,
    }
}

/// One sampled value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Index of the column in [`KeySample::columns`].
    pub column: u32,
    /// The number, or the hash of the text.
    pub value: u64,
}

/// The sample of one result.
#[derive(Clone, Debug, Default)]
pub struct KeySample {
    /// Sampled columns. Known from an earlier execution, or found with the first row.
    pub columns: Option<Arc<[KeyColumn]>>,
    /// Sampled values, row by row.
    pub keys: Vec<Key>,
    /// Rows seen.
    pub rows: u64,
    /// Rows whose texts are sampled.
    pub(crate) text_rows: u64,
    /// Bit set of the sampled columns, by their index in the result. `only_keys` is the subset of keys.
    pub all: u64,
    pub(crate) only_keys: u64,
}

impl KeySample {
    /// Returns a sample that appends to `keys`. `columns` are the sampled columns, if an earlier execution has found
    /// them. Texts are sampled only if the result has several rows.
    pub fn new(columns: Option<Arc<[KeyColumn]>>, keys: Vec<Key>, of_several_rows: bool) -> Self {
        Self { columns, keys, text_rows: if of_several_rows { TEXT_ROWS } else { 0 }, ..Self::default() }
    }

    /// Finds the columns to sample by their types and their names in the result, unless an earlier execution of the
    /// statement has found them.
    pub fn know<'a>(&mut self, columns: &[Column], name: impl Fn(usize) -> &'a str) {
        let columns = self.columns.get_or_insert_with(|| {
            let columns = columns.iter().enumerate().take(MAX_COLUMNS);
            let kept = columns.filter(|(index, column)| is_kept(name(*index), column));
            kept.map(|(index, column)| {
                let name = name(index);
                let references = column.references;
                let is_key = references.is_some() || is_key(name);
                KeyColumn { index, name: name.into(), references, sql_type: column.sql_type, is_key }
            })
            .collect()
        });
        for column in columns.iter() {
            self.all |= 1 << column.index;
            self.only_keys |= u64::from(column.is_key) << column.index;
        }
    }

    /// Discards the rows, but not the columns.
    pub fn reset(&mut self) {
        self.keys.clear();
        self.rows = 0;
    }

    /// Samples the next row.
    pub fn row(&mut self, values: &[ValueRef<'_>]) {
        self.rows += 1;
        let mut kept = match self.rows {
            rows if rows <= self.text_rows => self.all,
            rows if rows <= MAX_KEY_ROWS => self.only_keys,
            _ => return,
        };
        while kept != 0 {
            let index = kept.trailing_zeros() as usize;
            kept &= kept - 1;
            let value = match values.get(index) {
                Some(ValueRef::Int(value)) => number(*value),
                Some(ValueRef::Uuid(uuid)) => hash_uuid(*uuid),
                Some(ValueRef::Text(text)) if text.len() <= MAX_TEXT_BYTES => hash_text(text),
                _ => continue,
            };
            self.keys.push(Key { column: self.place(index), value });
        }
    }

    /// Returns the position of a column among the sampled ones: the number of bits below its own.
    fn place(&self, index: usize) -> u32 {
        (self.all & ((1 << index) - 1)).count_ones()
    }
}

fn number(value: i64) -> u64 {
    value as u64
}

fn hash_text(text: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(text);
    hasher.finish()
}

/// Hashes the text of a UUID, which is what SQLite stores.
fn hash_uuid(uuid: Uuid) -> u64 {
    hash_text(uuid.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes())
}

/// Returns a parameter as a number comparable with [`Key::value`]; `None` for a list of several values.
///
/// A list of one counts as its value: a loop that loads lists of one is a loop.
pub fn parameter(value: &Value) -> Option<u64> {
    match value {
        Value::Int(value) => Some(number(*value)),
        Value::Text(text) | Value::Enum(text) | Value::Json(text) => Some(hash_text(text.as_bytes())),
        Value::Uuid(uuid) => Some(hash_uuid(*uuid)),
        Value::Bool(value) => Some(u64::from(*value)),
        Value::Float(value) => Some(value.to_bits()),
        // A decimal is compared with doubles, if at all.
        Value::Decimal(value) | Value::DecimalAsDouble(value) | Value::Numeric(value) => Some(
            f64_from_decimal(*value).map_or_else(|| hash_text(value.to_string().as_bytes()), f64::to_bits),
        ),
        Value::Timestamp(value) => Some(number(value.timestamp_micros())),
        Value::Date(date) => Some(number(date.num_days_from_ce().into())),
        Value::Time(time) => Some(hash_text(format_time(*time).as_bytes())),
        Value::Bytes(bytes) => Some(hash_text(bytes)),
        Value::Null(_) => Some(u64::MAX),
        Value::Ints(values) => match values[..] {
            [value] => Some(number(value)),
            _ => None,
        },
        Value::Floats(values) => match values[..] {
            [value] => Some(value.to_bits()),
            _ => None,
        },
        Value::Bools(values) => match values[..] {
            [value] => Some(u64::from(value)),
            _ => None,
        },
        Value::Uuids(values) => match values[..] {
            [value] => Some(hash_uuid(value)),
            _ => None,
        },
        Value::Texts(values) => match &values[..] {
            [text] => Some(hash_text(text.as_bytes())),
            _ => None,
        },
    }
}
