//! Lists ordered by time, newest first, even if other programs format times differently.
//!
//! On PostgreSQL, and for tables ordered by identifier, nothing special is needed. On SQLite a time is a text.
//! **The rule**: in both dialects rows are ordered by time, and rows of the same time by identifier. A value that
//! is not a readable time is ordered as the index orders it (numbers before all texts, blobs after them), and the
//! page that contains it is an error that names it.
//!
//! An index compares texts. Texts in the canonical form (`YYYY-MM-DD HH:MM:SS.ffffff`) sort like their times, and
//! every readable form begins with its day. So a list is first read by the index, as if all texts were canonical.
//! The result is right unless it contains a noncanonical text, or a noncanonical text that belongs into it is
//! sorted elsewhere. Below a canonical text there is no later time, and the same time only as one of a few shorter
//! texts ([`shorter_spellings`]). Above it there is an earlier time only with a `T` on the same day, or as one of
//! a few texts that are longer or end in `Z` ([`has_hidden_spelling`]). If the result is not right, the list is
//! read again by the *by-time* statement, which sorts all rows of the days concerned by their canonical form. It
//! is exact but slower, and only lists with noncanonical texts pay for it.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;

use tallybook_core::{Column, Encode, Row, RowRef, Value};

use crate::table::Table;

/// Sorts a list that was read completely: SQLite returned it in the order of its texts, and the rows that links lead to come
/// in no order.
pub(crate) fn newest_first<T: Table>(mut rows: Vec<T>) -> Vec<T> {
    rows.sort_by_key(|row| Reverse((row.time(), row.id())));
    rows
}

/// A row read by an index, and whether its time is a noncanonical text, which the index sorts elsewhere.
#[derive(Debug)]
pub struct IndexedRow<T> {
    row: T,
    is_noncanonical: bool,
}

impl<T> IndexedRow<T> {
    pub(crate) fn into_row(self) -> T {
        self.row
    }
}

impl<T: Table> IndexedRow<T> {
    const TIME: Option<usize> = match T::ORDER {
        Some(order) => Some(column_index(T::COLUMNS, order)),
        None => None,
    };
}

impl<T: Table> Row for IndexedRow<T> {
    const COLUMNS: &'static [Column] = T::COLUMNS;
    const COLUMN_LIST: &'static str = T::COLUMN_LIST;

    fn decode(row: RowRef<'_>) -> tallybook_core::Result<Self> {
        let is_noncanonical = Self::TIME.is_some_and(|time| row.value(time).is_foreign_timestamp());
        Ok(Self { row: T::decode(row)?, is_noncanonical })
    }

    fn encode(&self) -> tallybook_core::Result<Vec<Value>> {
        self.row.encode()
    }
}

/// Returns the index of a column, at compile time.
const fn column_index(columns: &[Column], name: &str) -> usize {
    let mut index = 0;
    while !is_same(columns[index].name.as_bytes(), name.as_bytes()) {
        index += 1;
    }
    index
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut index = 0;
    while index < one.len() && index < other.len() && one[index] == other[index] {
        index += 1;
    }
    index == one.len() && index == other.len()
}

/// The assessment of rows read by an index: the first `limit` of a list, and the next one if it exists.
pub(crate) enum IndexRead<T> {
    /// The rows are the first of the list; the flag says whether more follow.
    Ordered(Vec<T>, bool),
    /// The rows are the first of the list and more follow, unless one of these texts exists: the next row has the
    /// same time as the last.
    OrderedUnless(Vec<String>, Vec<T>),
    /// Some row has a noncanonical time.
    Misordered,
}

impl<T: Table> IndexRead<T> {
    /// Assesses rows. `are_texts` is set where times are stored as text.
    pub(crate) fn new(rows: Vec<IndexedRow<T>>, limit: usize, are_texts: bool) -> Self {
        if rows.iter().any(|row| row.is_noncanonical) {
            return Self::Misordered;
        }
        let mut rows: Vec<T> = rows.into_iter().map(|spelled| spelled.row).collect();
        let Some(following) = rows.get(limit) else { return Self::Ordered(rows, false) };
        let goes_on = are_texts && limit > 0 && rows[limit - 1].time() == following.time();
        let texts = if goes_on { shorter_spellings(following) } else { Vec::new() };
        rows.truncate(limit);
        if texts.is_empty() { Self::Ordered(rows, true) } else { Self::OrderedUnless(texts, rows) }
    }
}

/// As [`IndexRead::new`], for the first `limit` rows of each parent and the one after them; `None` if any are out
/// of order.
pub(crate) fn take_per_parent<T: Table, K: Eq + Hash>(
    rows: Vec<IndexedRow<T>>,
    parent: impl Fn(&T) -> K,
    limit: usize,
) -> Option<Vec<T>> {
    let mut last = HashMap::new();
    let mut first = Vec::with_capacity(rows.len());
    for IndexedRow { row, is_noncanonical } in rows {
        let (count, time) = last.entry(parent(&row)).or_insert((0, None));
        *count += 1;
        let goes_on = *count > limit && *time == row.time() && !shorter_spellings(&row).is_empty();
        if is_noncanonical || goes_on {
            return None;
        }
        if *count <= limit {
            *time = row.time();
            first.push(row);
        }
    }
    Some(first)
}

/// Returns the texts of a row's time that sort below its canonical form.
fn shorter_spellings<T: Table>(row: &T) -> Vec<String> {
    /// `YYYY-MM-DD HH:MM:SS`.
    const WHOLE: usize = 19;
    let Some(Ok(Value::Timestamp(time))) = row.time().map(|time| time.encode()) else { return Vec::new() };
    let canonical = Value::Timestamp(time).to_string();
    let digits = canonical.trim_end_matches('0').len().max(WHOLE + 1);
    let lengths = (digits..canonical.len()).map(|length| if length == WHOLE + 1 { WHOLE } else { length });
    lengths
        .flat_map(|length| ["", "+00:00", "-00:00"].map(|utc| format!("{}{utc}", &canonical[..length])))
        .collect()
}
