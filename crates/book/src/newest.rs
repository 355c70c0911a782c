//! Lists by time, newest first, also where other programs spell times in their own way.
//!
//! On PostgreSQL and for tables that are ordered by their identifiers there is nothing to it. On SQLite a time is a text.
//! **The law**: rows are ordered by their moments, rows of one moment by their identifiers, on both engines. A text that is
//! no readable time stands where the text itself would (numbers before all texts, blobs behind), and the page that it falls
//! on is an error that names it.
//!
//! The indexes know the texts only. Those in the canonical form (`YYYY-MM-DD HH:MM:SS.ffffff`) sort as their moments do,
//! and each readable spelling begins with its own day. So a list is read by the index first, as if all were canonical, and
//! that is right unless a foreign spelling stands in what was read, or one that belongs into it stands elsewhere. Below a
//! canonical text stands no later moment, and the same moment only as one of a few shorter texts ([`shorter`]); above it
//! stands an earlier moment only with a `T` on the same day, or as one of a few texts that are longer or end in `Z`
//! ([`hidden`]). What is not right is read again by the *settled* statement, which sorts all rows of the days that the
//! list touches by their canonical form. It is exact and slower; only lists that hold foreign spellings pay for it.

use std::cmp::Reverse;

use tallybook_engine::{Cells, Column, Encode, Row, Statement, Value};

use crate::sql::limited;
use crate::table::{Table, text};

/// Sorts rows that came whole, in whatever order SQLite's texts have.
pub(crate) fn sort<T: Table>(rows: &mut [T]) {
    if T::ORDER.is_some() {
        rows.sort_by_key(|row| Reverse((row.time(), row.id().get())));
    }
}

/// A row, and whether its time is spelled in a form that its index sorts elsewhere.
pub(crate) struct Spelled<T> {
    row: T,
    is_foreign: bool,
}

impl<T: Table> Spelled<T> {
    const TIME: Option<usize> = match T::ORDER {
        Some(order) => Some(place(T::COLUMNS, order)),
        None => None,
    };
}

impl<T: Table> Row for Spelled<T> {
    const COLUMNS: &'static [Column] = T::COLUMNS;
    const COLUMN_LIST: &'static str = T::COLUMN_LIST;

    fn decode<R: Cells>(cells: &R) -> tallybook_engine::Result<Self> {
        let row = T::decode(cells)?;
        Ok(Self { row, is_foreign: Self::TIME.is_some_and(|time| cells.is_foreign_timestamp(time)) })
    }

    fn encode(&self) -> tallybook_engine::Result<Vec<Value>> {
        self.row.encode()
    }
}

/// The place of a column, found by the compiler.
const fn place(columns: &[Column], name: &str) -> usize {
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

/// What the first `limit` rows of an index are worth; one row more was read, if there was one.
pub(crate) enum Read<T> {
    /// The first rows of the list, and whether others follow.
    Settled(Vec<T>, bool),
    /// So, unless one of these texts stands in the list: the next row has the moment of the last one.
    Unless(Vec<String>, Vec<T>),
    /// A foreign spelling stands among them.
    Unsettled,
}

impl<T: Table> Read<T> {
    pub(crate) fn new(rows: Vec<Spelled<T>>, limit: usize) -> Self {
        if rows.iter().any(|row| row.is_foreign) {
            return Self::Unsettled;
        }
        let mut rows: Vec<T> = rows.into_iter().map(|spelled| spelled.row).collect();
        let more = rows.len() > limit;
        let tie = (more && limit > 0 && rows[limit - 1].time() == rows[limit].time())
            .then(|| shorter(&rows[limit]))
            .filter(|texts| !texts.is_empty());
        rows.truncate(limit);
        match tie {
            Some(texts) => Self::Unless(texts, rows),
            None => Self::Settled(rows, more),
        }
    }
}

/// The spellings of a row's moment that stand below its canonical text.
fn shorter<T: Table>(row: &T) -> Vec<String> {
    /// `YYYY-MM-DD HH:MM:SS`.
    const WHOLE: usize = 19;
    let Some(Ok(Value::Timestamp(time))) = row.time().map(|time| time.encode()) else { return Vec::new() };
    let canonical = Value::Timestamp(time).to_string();
    let digits = canonical.trim_end_matches('0').len().max(WHOLE + 1);
    let lengths = (digits..canonical.len()).map(|length| if length == WHOLE + 1 { WHOLE } else { length });
    lengths.flat_map(|length| ["", "+00:00", "-00:00"].map(|utc| format!("{}{utc}", &canonical[..length]))).collect()
}

/// The statements of a list of `T`: the rows that fulfil a condition, `LIMIT` and `OFFSET` bound behind its parameters.
#[derive(Debug)]
pub(crate) struct List {
    /// By the index.
    pub(crate) newest: Statement,
    /// By the index with an offset; no row where a foreign spelling stands in what is left out or read.
    pub(crate) skipping: Statement,
    /// By the canonical form.
    pub(crate) settled: Statement,
    /// Whether one of the texts of a list, which is bound behind the condition's parameters, is there.
    pub(crate) has_texts: Statement,
}

impl List {
    /// `condition` has the parameters up to `$parameters`.
    pub(crate) fn new<T: Table>(condition: &str, parameters: usize, map: impl Fn(Statement) -> Statement) -> Self {
        let (filter, and) = if condition.is_empty() {
            (String::new(), String::new())
        } else {
            (format!("WHERE {condition} "), format!("{condition} AND "))
        };
        let (limit, offset) = (format!("${}", parameters + 1), format!("${}", parameters + 2));
        let window = format!("LIMIT {limit} OFFSET {offset}");
        let order = order::<T>();
        let newest = text::<T>(&format!("{filter}ORDER BY {order} {window}"));
        let Some(time) = T::ORDER else {
            let same = || map(newest.clone().into());
            return Self { newest: same(), skipping: same(), settled: same(), has_texts: same() };
        };
        let name = T::NAME;
        let skipping = format!(
            "{filter}ORDER BY {order} LIMIT CASE WHEN EXISTS (SELECT 1 FROM (SELECT {time} FROM {name} {filter}\
             ORDER BY {order} LIMIT {limit} + {offset}) WHERE {}) THEN 0 ELSE {limit} END OFFSET {offset}",
            is_foreign(time),
        );
        let since = since(name, time, &filter, &format!("{limit} + {offset} - 1"));
        let settled = format!("WHERE {and}{time} >= {since} ORDER BY {} {window}", canonical_order(time));
        Self {
            skipping: map(Statement::of_each(newest.clone(), text::<T>(&skipping))),
            settled: map(Statement::of_each(newest.clone(), text::<T>(&settled))),
            has_texts: Statement::of_each(
                "SELECT false",
                format!("SELECT EXISTS (SELECT 1 FROM {name} WHERE {and}{time} IN rarray({limit}))"),
            ),
            newest: map(newest.into()),
        }
    }
}

/// The statements of pages, without their numbers of rows.
#[derive(Debug)]
pub(crate) struct Pages {
    pub(crate) first: String,
    first_settled: String,
    pub(crate) next: String,
    next_settled: String,
}

/// The order of a list by its index.
fn order<T: Table>() -> String {
    T::ORDER.map_or_else(|| "id DESC".to_owned(), |time| format!("{time} DESC, id DESC"))
}

/// The order of a list on SQLite by the canonical form of its times.
pub(crate) fn canonical_order(time: &str) -> String {
    format!("{} DESC, id DESC", canonical(time))
}

/// The canonical form of a time in a column of SQLite, by functions that it always had. An unreadable value is itself, or
/// something that begins with the same day.
fn canonical(time: &str) -> String {
    let fraction = format!("replace(replace(replace(substr({time}, 20), 'Z', ''), '+00:00', ''), '-00:00', '')");
    let (day, digit) = ("[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]", "[0-9][0-9]");
    format!(
        "CASE WHEN {time} GLOB '{day}[ T]{digit}:{digit}:{digit}*' \
         THEN substr({time}, 1, 10) || ' ' || substr({time}, 12, 8) || \
         substr({fraction} || substr('.000000', length({fraction}) + 1), 1, 7) ELSE {time} END"
    )
}

/// Whether a value is no canonical text, as far as that matters for the order of readable ones.
fn is_foreign(time: &str) -> String {
    format!("NOT (length({time}) = 26 AND substr({time}, 11, 1) = ' ' AND substr({time}, 26) BETWEEN '0' AND '9')")
}

/// The first text of the day that the row at `place` of the index belongs to; before all values if there is no such row.
fn since(table: &str, time: &str, filter: &str, place: &str) -> String {
    format!(
        "coalesce((SELECT CASE typeof({time}) WHEN 'text' THEN substr({time}, 1, 10) WHEN 'blob' THEN x'' ELSE -9e999 END \
         FROM {table} {filter}ORDER BY {time} DESC LIMIT 1 OFFSET {place}), -9e999)"
    )
}

/// Whether a foreign spelling stands above the canonical text `$1` whose moment may not be later.
fn hidden(table: &str, time: &str) -> String {
    let is_there = |condition: &str| format!("EXISTS (SELECT 1 FROM {table} WHERE {condition})");
    let zulu = [19, 21, 22, 23, 24, 25].map(|length| format!("substr($1, 1, {length}) || 'Z'")).join(", ");
    [
        is_there(&format!("{time} >= substr($1, 1, 10) || 'T' AND {time} < substr($1, 1, 10) || 'U'")),
        is_there(&format!("{time} > $1 AND {time} < $1 || '~'")),
        is_there(&format!("{time} IN ({zulu})")),
    ]
    .join(" OR ")
}
