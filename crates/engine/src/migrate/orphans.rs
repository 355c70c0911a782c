//! Rows that refer to rows that are not there.

use super::catalog::{self, fetch};
use crate::driver::Connection;
use crate::error::Result;
use crate::params;
use crate::query::one;

/// How many rows of a table refer by a column to an `id` that another table does not have. Reads the whole table.
pub(super) async fn count(connection: &mut Connection, table: &str, column: &str, to: &str) -> Result<i64> {
    let sql = match catalog::tables(connection).await?.iter().any(|there| there == to) {
        true => format!("SELECT count(*) FROM ({}) orphans", query(table, column, to)),
        false => format!("SELECT count({column}) FROM {table}"),
    };
    Ok(fetch(connection, one::<(i64,)>(sql, params![])).await?.0)
}

/// The query that finds them, for whoever has to correct them.
pub(super) fn query(table: &str, column: &str, to: &str) -> String {
    format!("SELECT id, {column} FROM {table} WHERE {column} NOT IN (SELECT id FROM {to})")
}
