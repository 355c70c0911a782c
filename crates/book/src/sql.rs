//! The texts that all tables share, made from their columns.

use tallybook_engine::{Row, Statement};

use crate::table::Table;

/// `SELECT <columns> FROM <table> <rest>`.
///
/// `rest` is PostgreSQL's text; its `= ANY($n)` is SQLite's `IN rarray($n)`.
pub(crate) fn select<T: Table>(rest: &str) -> Statement {
    Statement::with_lists(format!("SELECT {} FROM {} {rest}", T::COLUMN_LIST, T::NAME))
}

/// `INSERT INTO <table> (…) VALUES (…) RETURNING <columns>`.
pub(crate) fn insert<T: Table>() -> Statement {
    let marks = (1..=T::New::COLUMNS.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    let columns = <T::New as Row>::COLUMN_LIST;
    format!("INSERT INTO {} ({columns}) VALUES ({marks}) RETURNING {}", T::NAME, T::COLUMN_LIST).into()
}

/// Declares statements that are built once.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $statement:expr;)*) => {$(
        $(#[$doc])*
        static $name: std::sync::LazyLock<tallybook_engine::Statement> =
            std::sync::LazyLock::new(|| $statement);
    )*};
}

pub(crate) use statements;
