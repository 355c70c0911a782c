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
use std::collections::HashMap;
use std::hash::Hash;

use tallybook_engine::{Cells, Column, Encode, Engine, Row, Statement, Value};

use crate::ids::Id;
use crate::sql::limited;
use crate::table::{Table, text};

/// A list that was read whole, in its order; SQLite gave it in that of its texts.
pub(crate) fn newest_first<T: Table>(mut rows: Vec<T>) -> Vec<T> {
    if T::ORDER.is_some() {
        rows.sort_by_key(|row| Reverse((row.time(), row.id().get())));
    }
    rows
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

/// The verdict on rows read by an index: the first `limit` of a list, and the next one if it exists.
pub(crate) enum Read<T> {
    /// They are the first rows of the list; and whether others follow.
    Settled(Vec<T>, bool),
    /// So they are, with others behind, unless one of these texts is there: the moment of the last row goes on.
    Unless(Vec<String>, Vec<T>),
    /// A foreign spelling stands among them.
    Unsettled,
}

impl<T: Table> Read<T> {
    /// `are_texts` where times are texts.
    pub(crate) fn new(rows: Vec<Spelled<T>>, limit: usize, are_texts: bool) -> Self {
        if rows.iter().any(|row| row.is_foreign) {
            return Self::Unsettled;
        }
        let mut rows: Vec<T> = rows.into_iter().map(|spelled| spelled.row).collect();
        let Some(behind) = rows.get(limit) else { return Self::Settled(rows, false) };
        let goes_on = are_texts && limit > 0 && rows[limit - 1].time() == behind.time();
        let texts = if goes_on { shorter(behind) } else { Vec::new() };
        rows.truncate(limit);
        if texts.is_empty() { Self::Settled(rows, true) } else { Self::Unless(texts, rows) }
    }
}

/// As [`Read::new`] for the first `limit` rows of each parent and the one behind them; `None` where they are not settled.
pub(crate) fn first_of_each<T: Table, K: Eq + Hash>(
    rows: Vec<Spelled<T>>,
    parent: impl Fn(&T) -> K,
    limit: usize,
) -> Option<Vec<T>> {
    let mut last = HashMap::new();
    let mut first = Vec::with_capacity(rows.len());
    for Spelled { row, is_foreign } in rows {
        let (count, time) = last.entry(parent(&row)).or_insert((0, None));
        *count += 1;
        let goes_on = *count > limit && *time == row.time() && !shorter(&row).is_empty();
        if is_foreign || goes_on {
            return None;
        }
        if *count <= limit {
            *time = row.time();
            first.push(row);
        }
    }
    Some(first)
}

/// The spellings of a row's moment that stand below its canonical text.
fn shorter<T: Table>(row: &T) -> Vec<String> {
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

/// The statements of a list: the rows that fulfil a condition, with `LIMIT` and `OFFSET` bound behind its parameters.
#[derive(Debug)]
pub(crate) struct List {
    /// By the index.
    pub(crate) newest: Statement,
    /// By the index with an offset: all rows from the first on where a foreign spelling stands among them.
    pub(crate) skipping: Statement,
    /// By the canonical form.
    pub(crate) settled: Statement,
    /// Asks if a row holds one of the texts bound after the condition's parameters.
    pub(crate) has_texts: Statement,
}

impl List {
    /// The rows of `T` that fulfil a condition on the parameters from `$1` to `$parameters`; all rows if it is empty.
    pub(crate) fn new<T: Table>(condition: &str, parameters: usize) -> Self {
        let (limit, offset) = (format!("${}", parameters + 1), format!("${}", parameters + 2));
        let window = format!("LIMIT {limit} OFFSET {offset}");
        let (filter, and) = clauses(condition);
        let order = order::<T>();
        let newest = text::<T>(&format!("{filter}ORDER BY {order} {window}"));
        let Some(time) = T::ORDER else {
            let [newest, skipping, settled] = [(); 3].map(|()| Statement::from(newest.clone()));
            return Self { newest, skipping, settled, has_texts: Statement::new("SELECT false") };
        };
        let name = T::NAME;
        let is_there = format!(
            "EXISTS (SELECT 1 FROM (SELECT {time} FROM {name} {filter}ORDER BY {order} LIMIT {limit} + {offset}) WHERE {})",
            is_foreign(time),
        );
        let skipping = text::<T>(&format!(
            "{filter}ORDER BY {order} LIMIT CASE WHEN {is_there} THEN {limit} + {offset} ELSE {limit} END \
             OFFSET CASE WHEN {is_there} THEN 0 ELSE {offset} END"
        ));
        let settled = text::<T>(&settled::<T>(condition, &format!("{limit} + {offset}"), &window));
        let has_texts = format!("SELECT EXISTS (SELECT 1 FROM {name} WHERE {and}{time} IN rarray({limit}))");
        Self {
            skipping: Statement::of_each(newest.clone(), skipping),
            settled: Statement::of_each(newest.clone(), settled),
            has_texts: Statement::of_each("SELECT false", has_texts),
            newest: newest.into(),
        }
    }

    /// See [`Statement::planned_by_values`].
    pub(crate) fn planned_by_values(self) -> Self {
        Self {
            newest: self.newest.planned_by_values(),
            skipping: self.skipping.planned_by_values(),
            settled: self.settled.planned_by_values(),
            ..self
        }
    }
}

/// The statements of the pages of a table.
#[derive(Debug)]
pub(crate) struct Pages {
    first: String,
    next: String,
    /// On SQLite, for the page behind a cursor: whether a foreign spelling hides above it.
    hidden: Option<String>,
}

impl Pages {
    pub(crate) fn new<T: Table>() -> Self {
        let order = order::<T>();
        let behind = match T::ORDER {
            Some(time) => format!("({time}, id) < ($1, $2)"),
            None => "id < $1".to_owned(),
        };
        Self {
            first: text::<T>(&format!("ORDER BY {order}")),
            next: text::<T>(&format!("WHERE {behind} ORDER BY {order}")),
            hidden: T::ORDER.map(|time| hidden(T::NAME, time)),
        }
    }

    /// By the index: the first `most` rows, or those behind a cursor. No row where a foreign spelling hides above it.
    pub(crate) fn newest(&self, engine: Engine, is_behind: bool, most: u64) -> Statement {
        match (is_behind, &self.hidden, engine) {
            (true, Some(hidden), Engine::Sqlite) => {
                format!("{} LIMIT CASE WHEN {hidden} THEN 0 ELSE {most} END", self.next).into()
            }
            (true, ..) => limited(&self.next, most),
            (false, ..) => limited(&self.first, most),
        }
    }

    /// The same by the canonical form of times, on SQLite.
    pub(crate) fn settled<T: Table>(is_behind: bool, most: u64) -> Statement {
        let (most, limit) = (most.to_string(), format!("LIMIT {most}"));
        let Some(time) = T::ORDER.filter(|_| is_behind) else {
            return text::<T>(&settled::<T>("", &most, &limit)).into();
        };
        // All rows of earlier days come behind the cursor, and none of later ones.
        let since = since(T::NAME, time, &format!("WHERE {time} < substr($1, 1, 10) "), &most);
        text::<T>(&format!(
            "WHERE {time} < substr($1, 1, 10) || 'U' AND {time} >= {since} AND ({}, id) < ($1, $2) ORDER BY {} {limit}",
            canonical(time),
            canonical_order(time),
        ))
        .into()
    }
}

/// The clauses after `SELECT … FROM …` that select the first `most` matching rows, ordered by canonical time.
pub(crate) fn settled<T: Table>(condition: &str, most: &str, limit: &str) -> String {
    let (filter, and) = clauses(condition);
    match T::ORDER {
        Some(time) => {
            let since = since(T::NAME, time, &filter, most);
            format!("WHERE {and}{time} >= {since} ORDER BY {} {limit}", canonical_order(time))
        }
        None => format!("{filter}ORDER BY id DESC {limit}"),
    }
}

/// A condition alone, and before another.
fn clauses(condition: &str) -> (String, String) {
    if condition.is_empty() {
        return Default::default();
    }
    (format!("WHERE {condition} "), format!("{condition} AND "))
}

/// Matches the start of every readable time.
const PATTERN: &str = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*";

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
    let fraction =
        format!("replace(replace(replace(substr({time}, 20), 'Z', ''), '+00:00', ''), '-00:00', '')");
    format!(
        "CASE WHEN {time} GLOB '{PATTERN}' \
         THEN substr({time}, 1, 10) || ' ' || substr({time}, 12, 8) || \
         substr({fraction} || substr('.000000', length({fraction}) + 1), 1, 7) ELSE {time} END"
    )
}

/// The condition that a value is a time not spelled in canonical form.
fn is_foreign(time: &str) -> String {
    format!(
        "{time} GLOB '{PATTERN}' AND NOT (length({time}) = 26 AND substr({time}, 11, 1) = ' ' \
         AND substr({time}, 26) BETWEEN '0' AND '9')"
    )
}

/// Where the day begins that the row number `most` of the index belongs to; before all values if there is no such row.
fn since(table: &str, time: &str, filter: &str, most: &str) -> String {
    format!(
        "coalesce((SELECT CASE typeof({time}) WHEN 'text' THEN substr({time}, 1, 10) WHEN 'blob' THEN x'' ELSE -9e999 END \
         FROM {table} {filter}ORDER BY {time} DESC LIMIT 1 OFFSET {most} - 1), -9e999)"
    )
}

/// The condition that a foreign spelling sorts above the canonical text `$1` although its moment may not be later.
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
