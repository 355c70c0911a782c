//! The SQL that all tables share, generated from their columns.

use tallybook_core::Statement;

/// Builds `SELECT <columns> FROM <table> <rest>`.
///
/// `rest` is written for PostgreSQL; its `= ANY($n)` becomes `IN rarray($n)` on SQLite.
pub(crate) fn select(table: &str, columns: &str, rest: &str) -> Statement {
    Statement::with_lists(text(table, columns, rest))
}

/// Returns the text of [`select`].
pub(crate) fn text(table: &str, columns: &str, rest: &str) -> String {
    format!("SELECT {columns} FROM {table} {rest}")
}

/// Builds `INSERT INTO <table> (<given>) VALUES (…) RETURNING <columns>`.
pub(crate) fn insert(table: &str, given: &str, columns: &str) -> Statement {
    let marks = (1..=given.split(',').count()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    format!("INSERT INTO {table} ({given}) VALUES ({marks}) RETURNING {columns}").into()
}

/// Appends an inlined `LIMIT`. With a bound parameter PostgreSQL's planner assumes 10 % of the table, never keeps
/// a generic plan, and plans the statement on every execution.
pub(crate) fn limited(sql: &str, most: u64) -> Statement {
    format!("{sql} LIMIT {most}").into()
}

/// Declares statements, or lists of them, that are built once.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident $(: $list:ty)? = $statement:expr;)*) => {$(
        $(#[$doc])*
        static $name: std::sync::LazyLock<$crate::sql::statements!(@type $($list)?)> =
            std::sync::LazyLock::new(|| $statement);
    )*};
    (@type) => { tallybook_core::Statement };
    (@type $list:ty) => { $list };
}

pub(crate) use statements;
