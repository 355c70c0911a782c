//! The catalog of PostgreSQL.

use tallybook_core::Session;
use tallybook_sql::Row;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::all;

use super::{Catalog, Index, Table};
use crate::index_key::IndexKey;

/// Ordinary tables only: a view has no rows of its own, and a partitioned table would need each partition's index.
const TABLES: &str = "SELECT n.nspname::text AS schema, c.relname::text AS name, \
     greatest(coalesce(s.n_live_tup, 0), c.reltuples::bigint, 0) AS rows, \
     c.reltuples::bigint AS analyzed, coalesce(s.n_mod_since_analyze, 0) AS changed, \
     coalesce((SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 \
       AND NOT a.attisdropped), '{}') AS columns, \
     coalesce((SELECT array_agg(DISTINCT a.attname::text) FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = c.oid AND \
       a.attnum = k.conkey[1] WHERE k.conrelid = c.oid AND k.contype = 'f'), '{}') AS foreign_keys \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid \
     WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND pg_table_is_visible(c.oid) \
       AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 2";
const INDEXES: &str = "SELECT t.relname::text AS of_table, c.relname::text AS name, i.indisunique AS is_unique, \
     i.indisprimary AS is_primary, pg_get_expr(i.indpred, i.indrelid) AS filter, pg_get_indexdef(i.indexrelid) AS sql, \
     i.indexprs IS NOT NULL OR m.amname <> 'btree' AS is_special, \
     (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY \
       AS k (number, place) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number) AS columns, \
     (SELECT array_agg((o.flags & 1) = 1 ORDER BY o.place) FROM unnest(i.indoption[0:i.indnkeyatts - 1]) WITH ORDINALITY \
       AS o (flags, place)) AS is_desc \
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid JOIN pg_am m ON m.oid = c.relam \
     WHERE i.indisvalid AND t.relkind = 'r' AND pg_table_is_visible(t.oid) ORDER BY 1, 2";

#[derive(Row)]
struct TableRow {
    schema: String,
    name: String,
    rows: i64,
    analyzed: i64,
    changed: i64,
    columns: Vec<String>,
    foreign_keys: Vec<String>,
}

#[derive(Row)]
struct IndexRow {
    of_table: String,
    name: String,
    is_unique: bool,
    is_primary: bool,
    filter: Option<String>,
    sql: String,
    is_special: bool,
    columns: Option<Vec<String>>,
    is_desc: Option<Vec<bool>>,
}

pub(super) async fn read(session: &mut impl Session) -> Result<Catalog> {
    let queries = (all::<TableRow>(TABLES, params![]), all::<IndexRow>(INDEXES, params![]));
    let (tables, indexes) = session.fetch(queries).await?;
    let table = |row: TableRow| Table {
        indexes: indexes.iter().filter(|index| index.of_table == row.name).map(Index::from).collect(),
        schema: Some(row.schema),
        name: row.name,
        columns: row.columns,
        foreign_keys: row.foreign_keys,
        rows: row.rows.max(0) as u64,
        analyzed_rows: u64::try_from(row.analyzed).ok(),
        changed_rows: row.changed.max(0) as u64,
        sql: String::new(),
    };
    Ok(Catalog { tables: tables.into_iter().map(table).collect() })
}

impl From<&IndexRow> for Index {
    fn from(row: &IndexRow) -> Self {
        let columns = row.columns.as_deref().unwrap_or_default();
        let is_desc = row.is_desc.as_deref().unwrap_or_default();
        let keys = columns
            .iter()
            .zip(is_desc)
            .map(|(column, &is_desc)| IndexKey { column: column.clone(), is_desc });
        Self {
            name: row.name.clone(),
            keys: if row.is_special { Vec::new() } else { keys.collect() },
            is_unique: row.is_unique,
            is_primary: row.is_primary,
            filter: row.filter.clone(),
            sql: row.sql.clone(),
        }
    }
}
