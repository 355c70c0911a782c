//! Rows that reference rows that do not exist.

use tallybook_core::driver::Connection;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::one;

use crate::catalog::{self, fetch};

/// Counts the rows whose `column` references an `id` that table `to` lacks. Scans the whole table.
pub(crate) async fn count(connection: &mut Connection, table: &str, column: &str, to: &str) -> Result<i64> {
    let sql = match catalog::tables(connection).await?.iter().any(|there| there == to) {
        true => format!("SELECT count(*) FROM ({}) orphans", query(table, column, to)),
        false => format!("SELECT count({column}) FROM {table}"),
    };
    Ok(fetch(connection, one::<(i64,)>(sql, params![])).await?.0)
}

/// Returns the query that lists them, for the person who corrects them.
pub(crate) fn query(table: &str, column: &str, to: &str) -> String {
    format!("SELECT id, {column} FROM {table} WHERE {column} NOT IN (SELECT id FROM {to})")
}
