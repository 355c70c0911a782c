//! The catalog of SQLite.

use tallybook_core::Session;
use tallybook_sql::Row;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::all;

use super::{Catalog, Index, Table};
use crate::index_key::IndexKey;
use crate::sql_text::quote;

const TABLES: &str = "SELECT m.name, m.sql FROM sqlite_master m WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' \
     ESCAPE '\\' AND m.sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY m.name";
/// Hidden columns are those of virtual tables; generated ones are computed again.
const COLUMNS: &str = "SELECT m.name, c.name, c.pk FROM sqlite_master m, pragma_table_xinfo(m.name) c \
     WHERE m.type = 'table' AND c.hidden = 0 ORDER BY m.name, c.cid";
const KEYS: &str = "SELECT m.name, k.\"from\" FROM sqlite_master m, pragma_foreign_key_list(m.name) k \
     WHERE m.type = 'table' AND k.seq = 0";
const INDEXES: &str = "SELECT m.name AS of_table, i.name AS name, i.\"unique\" AS is_unique, i.origin = 'pk' AS is_primary, \
     coalesce(s.sql, '') AS sql, i.partial AS is_partial, x.name AS column, x.\"desc\" AS is_desc \
     FROM sqlite_master m, pragma_index_list(m.name) i, pragma_index_xinfo(i.name) x \
     LEFT JOIN sqlite_master s ON s.type = 'index' AND s.name = i.name \
     WHERE m.type = 'table' AND x.key ORDER BY m.name, i.name, x.seqno";
const HAS_STATISTICS: &str = "SELECT name FROM sqlite_master WHERE name = 'sqlite_stat1'";
const STATISTICS: &str = "SELECT tbl, max(CAST(stat AS integer)) FROM sqlite_stat1 GROUP BY tbl";

#[derive(Row)]
struct IndexColumn {
    of_table: String,
    name: String,
    is_unique: bool,
    is_primary: bool,
    sql: String,
    is_partial: bool,
    column: Option<String>,
    is_desc: bool,
}

pub(super) async fn read(session: &mut impl Session) -> Result<Catalog> {
    let (tables, columns, keys, indexes, statistics) = session
        .fetch((
            all::<(String, String)>(TABLES, params![]),
            all::<(String, String, i64)>(COLUMNS, params![]),
            all::<(String, String)>(KEYS, params![]),
            all::<IndexColumn>(INDEXES, params![]),
            all::<(String,)>(HAS_STATISTICS, params![]),
        ))
        .await?;
    let analyzed = match statistics.is_empty() {
        true => Vec::new(),
        false => session.fetch(all::<(String, Option<i64>)>(STATISTICS, params![])).await?,
    };
    let mut catalog = Catalog::default();
    for (name, sql) in tables {
        let rows = rows(session, &name).await?;
        let own = columns.iter().filter(|(of_table, ..)| *of_table == name);
        let mut primary: Vec<_> = own.clone().filter(|(.., place)| *place > 0).collect();
        primary.sort_by_key(|(.., place)| *place);
        let mut of_table: Vec<_> = collect(indexes.iter().filter(|index| index.of_table == name));
        if !primary.is_empty() && !of_table.iter().any(|index| index.is_primary) {
            // The key of the table itself has no index.
            let keys = primary.iter().map(|(_, column, _)| IndexKey::ascending(column)).collect();
            let name = "the primary key".to_owned();
            of_table.push(Index {
                name,
                keys,
                is_unique: true,
                is_primary: true,
                filter: None,
                sql: String::new(),
            });
        }
        let analyzed_rows =
            analyzed.iter().find(|(table, _)| *table == name).map(|(_, rows)| rows.unwrap_or(0) as u64);
        catalog.tables.push(Table {
            schema: None,
            columns: own.map(|(_, column, _)| column.clone()).collect(),
            foreign_keys: keys
                .iter()
                .filter(|(table, _)| *table == name)
                .map(|(_, column)| column.clone())
                .collect(),
            indexes: of_table,
            rows,
            analyzed_rows,
            changed_rows: 0,
            sql,
            name,
        });
    }
    Ok(catalog)
}

/// Returns an upper bound of the rows of a table, in the time of one look into its tree: the highest row identifier. A
/// table without row identifiers is counted.
async fn rows(session: &mut impl Session, table: &str) -> Result<u64> {
    let table = quote(table);
    let highest = all::<(i64,)>(format!("SELECT coalesce(max(rowid), 0) FROM {table}"), params![]);
    let found = match session.fetch(highest).await {
        Ok(found) => found,
        Err(_) => session.fetch(all::<(i64,)>(format!("SELECT count(*) FROM {table}"), params![])).await?,
    };
    Ok(found.first().map_or(0, |(rows,)| (*rows).max(0) as u64))
}

fn collect<'a>(columns: impl Iterator<Item = &'a IndexColumn>) -> Vec<Index> {
    let mut indexes: Vec<Index> = Vec::new();
    let mut has_expression = Vec::new();
    for column in columns {
        if indexes.last().is_none_or(|index| index.name != column.name) {
            let filter = column.is_partial.then(|| condition(&column.sql));
            indexes.push(Index {
                name: column.name.clone(),
                keys: Vec::new(),
                is_unique: column.is_unique,
                is_primary: column.is_primary,
                filter,
                sql: column.sql.clone(),
            });
        }
        let Some(index) = indexes.last_mut() else { continue };
        match &column.column {
            Some(name) => index.keys.push(IndexKey { column: name.clone(), is_desc: column.is_desc }),
            None => has_expression.push(column.name.clone()),
        }
    }
    for index in &mut indexes {
        if has_expression.contains(&index.name) {
            index.keys.clear();
        }
    }
    indexes
}

/// Returns the condition of a partial index.
fn condition(sql: &str) -> String {
    let at = sql.to_ascii_lowercase().rfind(" where ");
    at.map_or_else(String::new, |at| sql[at + " where ".len()..].trim().to_owned())
}
