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

use tallybook_core::{Column, Dialect, Encode, Row, RowRef, Statement, Value};

use crate::ids::Id;
use crate::sql::limited;
use crate::table::{Table, text};

/// Sorts a list that was read completely; SQLite returned it in the order of its texts.
pub(crate) fn newest_first<T: Table>(mut rows: Vec<T>) -> Vec<T> {
    if T::ORDER.is_some() {
        rows.sort_by_key(|row| Reverse((row.time(), row.id().get())));
    }
    rows
}

/// A row read by an index, and whether its time is a noncanonical text, which the index sorts elsewhere.
pub(crate) struct IndexedRow<T> {
    row: T,
    is_noncanonical: bool,
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

/// The statements of a list: the rows that match a condition, with `LIMIT` and `OFFSET` bound after its
/// parameters.
#[derive(Debug)]
pub(crate) struct ListStatements {
    /// Reads by the index.
    pub(crate) by_index: Statement,
    /// Reads by the index with an offset. If a noncanonical time is in the range, it returns all rows from the
    /// first on.
    pub(crate) by_index_skipping: Statement,
    /// Reads in the order of canonical time.
    pub(crate) by_time: Statement,
    /// Returns whether any row has one of the texts bound after the condition's parameters.
    pub(crate) has_spellings: Statement,
}

impl ListStatements {
    /// Builds the statements for the rows of `T` that match a condition on the parameters `$1` to `$parameters`;
    /// for all rows if it is empty.
    pub(crate) fn new<T: Table>(condition: &str, parameters: usize) -> Self {
        let (limit, offset) = (format!("${}", parameters + 1), format!("${}", parameters + 2));
        let window = format!("LIMIT {limit} OFFSET {offset}");
        let (filter, and) = where_clause(condition);
        let order = order::<T>();
        let by_index = text::<T>(&format!("{filter}ORDER BY {order} {window}"));
        let Some(time) = T::ORDER else {
            let [by_index, by_index_skipping, by_time] = [(); 3].map(|()| Statement::from(by_index.clone()));
            return Self {
                by_index,
                by_index_skipping,
                by_time,
                has_spellings: Statement::new("SELECT false"),
            };
        };
        let name = T::NAME;
        let is_there = format!(
            "EXISTS (SELECT 1 FROM (SELECT {time} FROM {name} {filter}ORDER BY {order} LIMIT {limit} + {offset}) WHERE {})",
            is_noncanonical(time),
        );
        let by_index_skipping = text::<T>(&format!(
            "{filter}ORDER BY {order} LIMIT CASE WHEN {is_there} THEN {limit} + {offset} ELSE {limit} END \
             OFFSET CASE WHEN {is_there} THEN 0 ELSE {offset} END"
        ));
        let by_time = text::<T>(&by_time::<T>(condition, &format!("{limit} + {offset}"), &window));
        let has_spellings =
            format!("SELECT EXISTS (SELECT 1 FROM {name} WHERE {and}{time} IN rarray({limit}))");
        Self {
            by_index_skipping: Statement::per_dialect_owned(by_index.clone(), by_index_skipping),
            by_time: Statement::per_dialect_owned(by_index.clone(), by_time),
            has_spellings: Statement::per_dialect_owned("SELECT false", has_spellings),
            by_index: by_index.into(),
        }
    }

    /// See [`Statement::custom_plan`].
    pub(crate) fn custom_plan(self) -> Self {
        Self {
            by_index: self.by_index.custom_plan(),
            by_index_skipping: self.by_index_skipping.custom_plan(),
            by_time: self.by_time.custom_plan(),
            ..self
        }
    }
}

/// The statements of the pages of a table.
#[derive(Debug)]
pub(crate) struct PageStatements {
    first: String,
    next: String,
    /// On SQLite, for the page after a cursor: whether a noncanonical time is hidden above it.
    has_hidden_spelling: Option<String>,
}

impl PageStatements {
    pub(crate) fn new<T: Table>() -> Self {
        let order = order::<T>();
        let following = match T::ORDER {
            Some(time) => format!("({time}, id) < ($1, $2)"),
            None => "id < $1".to_owned(),
        };
        Self {
            first: text::<T>(&format!("ORDER BY {order}")),
            next: text::<T>(&format!("WHERE {following} ORDER BY {order}")),
            has_hidden_spelling: T::ORDER.map(|time| has_hidden_spelling(T::NAME, time)),
        }
    }

    /// Reads the first `most` rows by the index, or those after a cursor. Returns no row if a noncanonical time is
    /// hidden above the cursor.
    pub(crate) fn by_index(&self, dialect: Dialect, after_cursor: bool, most: u64) -> Statement {
        match (after_cursor, &self.has_hidden_spelling, dialect) {
            (true, Some(has_hidden_spelling), Dialect::Sqlite) => {
                format!("{} LIMIT CASE WHEN {has_hidden_spelling} THEN 0 ELSE {most} END", self.next).into()
            }
            (true, ..) => limited(&self.next, most),
            (false, ..) => limited(&self.first, most),
        }
    }

    /// Reads the same rows in the order of canonical time, on SQLite.
    pub(crate) fn by_time<T: Table>(after_cursor: bool, most: u64) -> Statement {
        let (most, limit) = (most.to_string(), format!("LIMIT {most}"));
        let Some(time) = T::ORDER.filter(|_| after_cursor) else {
            return text::<T>(&by_time::<T>("", &most, &limit)).into();
        };
        // All rows of earlier days follow the cursor, and none of later days do.
        let first_day = first_day(T::NAME, time, &format!("WHERE {time} < substr($1, 1, 10) "), &most);
        text::<T>(&format!(
            "WHERE {time} < substr($1, 1, 10) || 'U' AND {time} >= {first_day} AND ({}, id) < ($1, $2) ORDER BY {} {limit}",
            canonical(time),
            canonical_order(time),
        ))
        .into()
    }
}

/// Returns the clauses after `SELECT … FROM …` that select the first `most` matching rows, ordered by canonical
/// time.
pub(crate) fn by_time<T: Table>(condition: &str, most: &str, limit: &str) -> String {
    let (filter, and) = where_clause(condition);
    match T::ORDER {
        Some(time) => {
            let first_day = first_day(T::NAME, time, &filter, most);
            format!("WHERE {and}{time} >= {first_day} ORDER BY {} {limit}", canonical_order(time))
        }
        None => format!("{filter}ORDER BY id DESC {limit}"),
    }
}

/// Returns the condition as a WHERE clause, and as the left side of an AND.
fn where_clause(condition: &str) -> (String, String) {
    if condition.is_empty() {
        return Default::default();
    }
    (format!("WHERE {condition} "), format!("{condition} AND "))
}

/// Matches the beginning of every readable time.
const TIME_PATTERN: &str = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*";

/// Returns the index order of a list.
fn order<T: Table>() -> String {
    T::ORDER.map_or_else(|| "id DESC".to_owned(), |time| format!("{time} DESC, id DESC"))
}

/// Returns the order of a list on SQLite by canonical time.
pub(crate) fn canonical_order(time: &str) -> String {
    format!("{} DESC, id DESC", canonical(time))
}

/// Converts a time in a column of SQLite to the canonical form, with functions that all SQLite versions have. An
/// unreadable value stays as it is, or becomes one that begins with the same day.
fn canonical(time: &str) -> String {
    let fraction =
        format!("replace(replace(replace(substr({time}, 20), 'Z', ''), '+00:00', ''), '-00:00', '')");
    format!(
        "CASE WHEN {time} GLOB '{TIME_PATTERN}' \
         THEN substr({time}, 1, 10) || ' ' || substr({time}, 12, 8) || \
         substr({fraction} || substr('.000000', length({fraction}) + 1), 1, 7) ELSE {time} END"
    )
}

/// Returns the condition that a value is a time in a noncanonical form.
fn is_noncanonical(time: &str) -> String {
    format!(
        "{time} GLOB '{TIME_PATTERN}' AND NOT (length({time}) = 26 AND substr({time}, 11, 1) = ' ' \
         AND substr({time}, 26) BETWEEN '0' AND '9')"
    )
}

/// Returns the beginning of the day that row number `most` of the index belongs to; a value before all others if
/// there is no such row.
fn first_day(table: &str, time: &str, filter: &str, most: &str) -> String {
    format!(
        "coalesce((SELECT CASE typeof({time}) WHEN 'text' THEN substr({time}, 1, 10) WHEN 'blob' THEN x'' ELSE -9e999 END \
         FROM {table} {filter}ORDER BY {time} DESC LIMIT 1 OFFSET {most} - 1), -9e999)"
    )
}

/// Returns the condition that a noncanonical time sorts above the canonical text `$1` although it may not be
/// later.
fn has_hidden_spelling(table: &str, time: &str) -> String {
    let is_there = |condition: &str| format!("EXISTS (SELECT 1 FROM {table} WHERE {condition})");
    let zulu = [19, 21, 22, 23, 24, 25].map(|length| format!("substr($1, 1, {length}) || 'Z'")).join(", ");
    [
        is_there(&format!("{time} >= substr($1, 1, 10) || 'T' AND {time} < substr($1, 1, 10) || 'U'")),
        is_there(&format!("{time} > $1 AND {time} < $1 || '~'")),
        is_there(&format!("{time} IN ({zulu})")),
    ]
    .join(" OR ")
}
