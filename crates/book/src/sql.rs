//! The texts that all tables share, made from their columns.

use tallybook_engine::Statement;

/// `SELECT <columns> FROM <table> <rest>`.
///
/// `rest` is PostgreSQL's text; its `= ANY($n)` is SQLite's `IN rarray($n)`.
pub(crate) fn select(table: &str, columns: &str, rest: &str) -> Statement {
    Statement::with_lists(text(table, columns, rest))
}

/// The text of [`select`].
pub(crate) fn text(table: &str, columns: &str, rest: &str) -> String {
    format!("SELECT {columns} FROM {table} {rest}")
}

/// `INSERT INTO <table> (<given>) VALUES (…) RETURNING <columns>`.
pub(crate) fn insert(table: &str, given: &str, columns: &str) -> Statement {
    let marks = (1..=given.split(',').count()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    format!("INSERT INTO {table} ({given}) VALUES ({marks}) RETURNING {columns}").into()
}

/// The first `most` rows of a statement. The number stands in the text: PostgreSQL takes one that is bound for a tenth
/// of all rows when it looks for a plan to keep, finds none worth it, and plans the statement each time it runs.
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
    (@type) => { tallybook_engine::Statement };
    (@type $list:ty) => { $list };
}

pub(crate) use statements;
