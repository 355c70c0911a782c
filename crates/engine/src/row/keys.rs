//! The values by which the rows of a result may be looked up later, kept while they are decoded.
//!
//! They prove where the parameters of a loop of queries come from.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::Column;
use crate::value::{Kind, Value};

/// Rows of a result whose keys are kept.
const KEY_ROWS: u64 = 1_024;
/// Rows of a result whose texts that are no keys are kept: enough to suspect, not to prove.
const WORD_ROWS: u64 = 16;
/// Columns of a result that are looked at.
const MOST_COLUMNS: usize = 64;
/// Longer texts identify nothing.
const LONGEST_WORD: usize = 64;

/// A column whose values are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyColumn {
    pub(crate) index: usize,
    pub(crate) name: Box<str>,
    kind: Kind,
    is_key: bool,
}

impl KeyColumn {
    /// Whether it identifies rows, of its own table or of another; else it is a text that might.
    pub(crate) fn is_key(&self) -> bool {
        self.is_key
    }
}

/// Whether a column of this name identifies rows: `id` or `…_id`.
pub(crate) fn is_key(name: &str) -> bool {
    name == "id" || name.ends_with("_id")
}

/// Whether the values of a column are worth keeping.
fn is_kept(name: &str, kind: Kind) -> bool {
    match kind {
        Kind::Int => is_key(name),
        Kind::Text => !name.ends_with("_json"),
        _ => false,
    }
}

/// One kept value: the column by its place in [`Taken::columns`], and the value as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) column: u32,
    pub(crate) value: u64,
}

/// What was kept of one result.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    /// Found with the first row, unless they were known before.
    pub(crate) columns: Option<Arc<[KeyColumn]>>,
    pub(crate) keys: Vec<Key>,
    /// The rows seen.
    pub(crate) rows: u64,
    /// Rows whose words are kept.
    pub(crate) word_rows: u64,
    /// All columns that are kept, and those of them that are keys, a bit each.
    pub(crate) all: u64,
    pub(crate) only_keys: u64,
}

impl Taken {
    /// Keeps keys in a buffer, of the columns that are known to be worth it. Words tell something only where
    /// there are several rows.
    pub(crate) fn new(columns: Option<Arc<[KeyColumn]>>, keys: Vec<Key>, of_several_rows: bool) -> Self {
        Self { columns, keys, word_rows: if of_several_rows { WORD_ROWS } else { 0 }, ..Self::default() }
    }

    /// Finds the columns worth keeping by the kinds of a struct's columns and their names in the result,
    /// unless they are known already: they are the same for the same statement.
    pub(crate) fn know<'a>(&mut self, columns: &[Column], name: impl Fn(usize) -> &'a str) {
        let columns = self.columns.get_or_insert_with(|| {
            let columns = columns.iter().enumerate().take(MOST_COLUMNS);
            let kept = columns.filter(|(index, column)| is_kept(name(*index), column.kind));
            kept.map(|(index, column)| {
                let name = name(index);
                KeyColumn { index, name: name.into(), kind: column.kind, is_key: is_key(name) }
            })
            .collect()
        });
        for column in columns.iter() {
            self.all |= 1 << column.index;
            self.only_keys |= u64::from(column.is_key) << column.index;
        }
    }

    /// Forgets the rows, not what is known of the columns.
    pub(crate) fn reset(&mut self) {
        self.keys.clear();
        self.rows = 0;
    }

    /// The columns to keep of the next row, a bit each.
    fn next_row(&mut self) -> u64 {
        self.rows += 1;
        match self.rows {
            rows if rows <= self.word_rows => self.all,
            rows if rows <= KEY_ROWS => self.only_keys,
            _ => 0,
        }
    }

    fn keep(&mut self, index: usize, value: KeyValue<'_>) {
        let value = match value {
            KeyValue::Int(value) => number(value),
            KeyValue::Text(text) if text.len() <= LONGEST_WORD => word(text),
            KeyValue::Text(_) => return,
        };
        self.keys.push(Key { column: self.place(index), value });
    }

    /// The place of the column at this index among those that are kept: they are in order, so those before it are
    /// the bits below its own.
    fn place(&self, index: usize) -> u32 {
        (self.all & ((1 << index) - 1)).count_ones()
    }

    fn kind(&self, index: usize) -> Option<Kind> {
        self.columns.as_ref()?.get(self.place(index) as usize).map(|column| column.kind)
    }
}

/// A value of a row that is a key or a word.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyValue<'r> {
    /// A whole number.
    Int(i64),
    /// A text, not looked at.
    Text(&'r [u8]),
}

/// What is noted of a result while its rows are decoded: each value is looked at but once.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    bytes: Cell<u64>,
    /// The columns to keep of this row.
    wanted: Cell<u64>,
    taken: RefCell<Option<Taken>>,
}

impl Notes {
    /// Keeps keys, if they are wanted.
    pub(crate) fn new(taken: Option<Taken>) -> Self {
        Self { taken: RefCell::new(taken), ..Self::default() }
    }

    /// A row begins.
    pub(crate) fn next_row(&self) {
        if let Some(taken) = &mut *self.taken.borrow_mut() {
            self.wanted.set(taken.next_row());
        }
    }

    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.bytes.set(self.bytes.get() + bytes);
    }

    /// Keeps the value of a column, if that is one to keep; `value` reads it as what the column holds.
    pub(crate) fn note<'r>(&self, index: usize, value: impl FnOnce(Kind) -> Option<KeyValue<'r>>) {
        if index >= MOST_COLUMNS || self.wanted.get() >> index & 1 == 0 {
            return;
        }
        if let Some(taken) = &mut *self.taken.borrow_mut()
            && let Some(value) = taken.kind(index).and_then(value)
        {
            taken.keep(index, value);
        }
    }

    /// The size of the rows, and their keys.
    pub(crate) fn finish(self) -> (u64, Option<Taken>) {
        (self.bytes.get(), self.taken.into_inner())
    }
}

fn number(value: i64) -> u64 {
    value as u64
}

fn word(text: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(text);
    hasher.finish()
}

/// A parameter as a number, comparable with a [`Key`]; none for a list of several values.
///
/// A list of one is that one: a loop that loads lists of one is a loop.
pub(crate) fn parameter(value: &Value) -> Option<u64> {
    match value {
        Value::Int(value) => Some(number(*value)),
        Value::Text(text) => Some(word(text.as_bytes())),
        Value::Bool(value) => Some(u64::from(*value)),
        Value::Float(value) => Some(value.to_bits()),
        Value::Timestamp(value) => Some(number(value.timestamp_micros())),
        Value::Bytes(bytes) => Some(word(bytes)),
        Value::Null(_) => Some(u64::MAX),
        Value::Ints(values) => match values[..] {
            [value] => Some(number(value)),
            _ => None,
        },
        Value::Texts(values) => match &values[..] {
            [text] => Some(word(text.as_bytes())),
            _ => None,
        },
    }
}
