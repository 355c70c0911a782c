//! Which columns refer to which: the foreign keys of a database.

use crate::driver::{Bounds, Connection};
use crate::error::Result;
use crate::params;
use crate::query::{Batch, ReadBatch, all};
use crate::statement::Statement;

/// More are not read.
const MAX_RELATIONS: usize = 10_000;

/// A column that refers to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) table: String,
    pub(crate) column: String,
    pub(crate) to_table: String,
    pub(crate) to_column: String,
}

/// SQLite names no column where a key refers to the primary one.
const FOREIGN_KEYS: Statement = Statement::per_engine(
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

/// A foreign key's column, and the one that it refers to: table and column of each.
type Key = (String, String, String, String);

/// Asks for all foreign keys.
pub(crate) fn foreign_keys() -> impl ReadBatch<Output = Vec<Key>> {
    all::<Key>(FOREIGN_KEYS, params![MAX_RELATIONS as i64])
}

impl From<Key> for Relation {
    fn from((table, column, to_table, to_column): Key) -> Self {
        Self { table, column, to_table, to_column }
    }
}

/// The foreign keys of the database that a connection leads to.
pub(crate) async fn relations(connection: &mut Connection) -> Result<Vec<Relation>> {
    let found = connection.fly(foreign_keys(), Bounds { read_only: true, ..Bounds::default() }).await?;
    Ok(Batch::finish(found)?.into_iter().map(Relation::from).collect())
}
