//! The foreign keys of a database.

use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::{Batch, ReadBatch, all};
use tallybook_sql::statement::Statement;
use tallybook_sql::transaction::TransactionFraming;

use crate::driver::Connection;

/// Upper bound on the number of foreign keys that are read.
const MAX_FOREIGN_KEYS: usize = 10_000;

/// A single column of a foreign key and the column it references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// Referencing table.
    pub table: String,
    /// Referencing column.
    pub column: String,
    /// Referenced table.
    pub to_table: String,
    /// Referenced column.
    pub to_column: String,
}

/// SQLite leaves out the referenced column if it is the primary key.
const FOREIGN_KEYS: Statement = Statement::per_dialect(
    "SELECT own.relname::text, a.attname::text, other.relname::text, b.attname::text \
     FROM pg_constraint k \
     JOIN pg_class own ON own.oid = k.conrelid \
     JOIN pg_class other ON other.oid = k.confrelid \
     CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS pair (column_number, to_number) \
     JOIN pg_attribute a ON a.attrelid = own.oid AND a.attnum = pair.column_number \
     JOIN pg_attribute b ON b.attrelid = other.oid AND b.attnum = pair.to_number \
     WHERE k.contype = 'f' ORDER BY k.oid LIMIT $1",
    "SELECT m.name, k.\"from\", k.\"table\", coalesce(k.\"to\", \
       (SELECT c.name FROM pragma_table_info(k.\"table\") AS c WHERE c.pk = k.seq + 1), 'id') \
     FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS k \
     WHERE m.type = 'table' ORDER BY m.name, k.id, k.seq LIMIT $1",
);

/// Table, column, referenced table, referenced column.
type Key = (String, String, String, String);

/// Returns the query that reads all foreign keys; at most 10,000.
pub fn foreign_keys() -> impl ReadBatch<Output = Vec<Key>> {
    all::<Key>(FOREIGN_KEYS, params![MAX_FOREIGN_KEYS as i64])
}

impl From<Key> for ForeignKey {
    fn from((table, column, to_table, to_column): Key) -> Self {
        Self { table, column, to_table, to_column }
    }
}

/// Reads the foreign keys of the database; one statement, one round trip.
///
/// # Errors
/// The error that the database reports.
pub async fn read_foreign_keys(connection: &mut Connection) -> Result<Vec<ForeignKey>> {
    let mut found = connection
        .execute(foreign_keys(), TransactionFraming { read_only: true, ..TransactionFraming::default() })
        .await?;
    Ok(found.finish()?.into_iter().map(ForeignKey::from).collect())
}
