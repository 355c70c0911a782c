//! All SQL of tables, for both dialects.
//!
//! Texts are written for PostgreSQL; [`per_dialect`] turns its `= ANY($n)` into SQLite's `IN rarray($n)`.

mod list;
mod renumbered;
mod selection;
mod time;

use tallybook_core::{Dialect, Row, Statement};

use crate::table::Table;

pub(crate) use list::ListStatements;
pub(crate) use renumbered::renumbered;
pub(crate) use selection::Selection;

/// Builds `SELECT <all columns> FROM <the table> <rest>`.
pub(crate) fn select<T: Table>(rest: &str) -> Statement {
    Statement::with_lists(text::<T>(rest))
}

/// Returns the text of [`select`].
pub(crate) fn text<T: Table>(rest: &str) -> String {
    format!("SELECT {} FROM {} {rest}", T::COLUMN_LIST, T::NAME)
}

/// Returns a statement with these texts, of which that of SQLite may contain `= ANY($n)` too.
fn per_dialect(postgres: String, sqlite: &str) -> Statement {
    Statement::per_dialect_owned(postgres, sqlite.replace("= ANY(", "IN rarray("))
}

/// Selects the row with the identifier `$1`.
pub(crate) fn by_id<T: Table>() -> Statement {
    select::<T>("WHERE id = $1")
}

/// Selects the rows with the identifiers `$1`.
pub(crate) fn by_ids<T: Table>() -> Statement {
    select::<T>("WHERE id = ANY($1)")
}

/// Selects the row with the identifier `$1` and locks it until the transaction ends.
///
/// Unlike `FOR UPDATE` this lets other transactions insert rows that refer to this one. Two transactions that did so and
/// then locked the row would deadlock. On SQLite the writing transaction is the only one.
pub(crate) fn for_update<T: Table>() -> Statement {
    Statement::per_dialect_owned(text::<T>("WHERE id = $1 FOR NO KEY UPDATE"), text::<T>("WHERE id = $1"))
}

/// Selects the rows with `$1` in a column.
pub(crate) fn by_column<T: Table>(column: &str) -> Statement {
    select::<T>(&format!("WHERE {column} = $1"))
}

/// Selects at most `most` rows in the order of their identifiers, from the first or from the one after `$1`.
pub(crate) fn scan<T: Table>(after: bool, most: u64) -> Statement {
    limited(&text::<T>(if after { "WHERE id > $1 ORDER BY id" } else { "ORDER BY id" }), most)
}

/// Appends an inlined `LIMIT`. With a bound parameter PostgreSQL's planner assumes 10 % of the table, never keeps a generic
/// plan, and plans the statement on every execution.
fn limited(sql: &str, most: u64) -> Statement {
    format!("{sql} LIMIT {most}").into()
}

/// Counts the rows that match a condition.
pub(crate) fn count<T: Table>(condition: &str) -> Statement {
    let (filter, _) = time::where_clause(condition);
    Statement::with_lists(format!("SELECT count(*) FROM {} {filter}", T::NAME).trim_end().to_owned())
}

/// Returns whether any row matches a condition.
pub(crate) fn exists<T: Table>(condition: &str) -> Statement {
    let (filter, _) = time::where_clause(condition);
    Statement::with_lists(format!("SELECT EXISTS (SELECT 1 FROM {} {filter}LIMIT 1)", T::NAME))
}

/// Builds `INSERT INTO <table> (…) VALUES (…) RETURNING <all columns>`.
pub(crate) fn insert<T: Table>() -> Statement {
    returning::<T>(&insert_text::<T>()).into()
}

fn insert_text<T: Table>() -> String {
    let given = <T::New as Row>::COLUMN_LIST;
    let marks = (1..=<T::New as Row>::COLUMNS.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    format!("INSERT INTO {} ({given}) VALUES ({marks})", T::NAME)
}

fn returning<T: Table>(sql: &str) -> String {
    format!("{sql} RETURNING {}", T::COLUMN_LIST)
}

/// Inserts a row, or updates the one that has the same values in the columns of a unique index. The time of the update is
/// bound after the values.
pub(crate) fn upsert<T: Table>(unique: &[&str]) -> Statement {
    let given = <T::New as Row>::COLUMNS;
    let time = given.len() + 1;
    let text = |dialect| {
        let changed = T::CHANGEABLE.iter().filter(|name| !unique.contains(name));
        let changed = changed.filter(|name| given.iter().any(|column| column.name == **name));
        let mut set: Vec<_> = changed.map(|name| format!("{name} = excluded.{name}")).collect();
        if T::TOUCH {
            set.push(touch(dialect, &format!("{}.updated_at", T::NAME), time));
        }
        // Something must be set, or the row is not returned.
        if set.is_empty() {
            set.push(format!("{0} = excluded.{0}", unique.first().unwrap_or(&"id")));
        }
        let (unique, set) = (unique.join(", "), set.join(", "));
        returning::<T>(&format!("{} ON CONFLICT ({unique}) DO UPDATE SET {set}", insert_text::<T>()))
    };
    Statement::per_dialect_owned(text(Dialect::Postgres), text(Dialect::Sqlite))
}

/// Updates the rows that match a condition.
pub(crate) fn update<T: Table>(set: &str, condition: &str) -> Statement {
    returning::<T>(&format!("UPDATE {} SET {set} WHERE {condition}", T::NAME)).into()
}

/// Deletes the rows that match a condition.
pub(crate) fn delete<T: Table>(condition: &str) -> Statement {
    format!("DELETE FROM {} WHERE {condition}", T::NAME).into()
}

/// Sets `updated_at` to a parameter, the current time, but always to a later time than before: two updates may fall into one
/// microsecond, and clocks are set back.
pub(crate) fn touch(dialect: Dialect, before: &str, now: usize) -> String {
    match dialect {
        Dialect::Postgres => {
            format!("updated_at = greatest(${now}, {before} + interval '1 microsecond')")
        }
        Dialect::Sqlite => format!("updated_at = tallybook_touched({before}, ${now})"),
    }
}

/// Returns the condition that `updated_at` equals a parameter. On SQLite it compares times, not texts, since other programs
/// format times differently.
pub(crate) fn is_unchanged(dialect: Dialect, expected: usize) -> String {
    match dialect {
        Dialect::Postgres => format!(" AND updated_at = ${expected}"),
        Dialect::Sqlite => format!(" AND tallybook_micros(updated_at) = tallybook_micros(${expected})"),
    }
}

/// Advances PostgreSQL's identifier sequence of a table.
pub(crate) fn sync_sequence<T: Table>() -> Statement {
    let table = T::NAME;
    // Never lowers the sequence: other transactions may have taken identifiers that are not visible yet.
    format!(
        "SELECT setval(sequence, highest) \
         FROM (SELECT pg_get_serial_sequence('{table}', 'id')::regclass AS sequence, max(id) AS highest \
               FROM {table}) AS loaded \
         WHERE highest > coalesce(pg_sequence_last_value(sequence), 0)"
    )
    .into()
}
