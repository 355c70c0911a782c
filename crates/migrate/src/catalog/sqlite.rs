//! SQLite's catalog.

use tallybook_core::driver::Connection;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::{all, optional};

use super::create_table::CreateTable;
use super::{ActualTable, FoundColumn, FoundIndex, FoundKey, fetch, split};

pub(super) const TABLES: &str = "SELECT name FROM sqlite_master \
     WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";

const COLUMNS: &str = "SELECT c.name, c.type, c.\"notnull\" = 0, c.dflt_value, c.pk \
     FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name = $1 ORDER BY c.cid";

const KEYS: &str = "SELECT group_concat(\"from\", char(10)), \"table\", group_concat(coalesce(\"to\", 'id'), char(10)) \
     FROM (SELECT id, \"from\", \"table\", \"to\" FROM pragma_foreign_key_list($1) ORDER BY id, seq) \
     GROUP BY id, \"table\" ORDER BY id";

const UNIQUES: &str = "SELECT group_concat(c.name, char(10)) \
     FROM pragma_index_list($1) i, pragma_index_info(i.name) c \
     WHERE i.\"unique\" AND i.origin <> 'pk' AND NOT i.partial GROUP BY i.name \
     HAVING count(*) = count(c.name) ORDER BY i.name";

macro_rules! indexes {
    ($condition:literal) => {
        concat!(
            "SELECT m.name, m.tbl_name, coalesce(group_concat(c.name, char(10)), ''), max(i.\"unique\"), \
               NOT max(i.partial OR c.name IS NULL OR c.\"desc\" OR c.coll <> 'BINARY'), m.sql \
             FROM sqlite_master m JOIN pragma_index_list(m.tbl_name) i ON i.name = m.name \
             JOIN pragma_index_xinfo(m.name) c ON c.key \
             WHERE m.type = 'index' AND m.sql IS NOT NULL AND ",
            $condition,
            " GROUP BY m.name, m.tbl_name, m.sql ORDER BY m.name"
        )
    };
}

const DEFINITION: &str = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = $1";

type IndexRow = (String, String, String, bool, bool, String);

pub(super) async fn table(connection: &mut Connection, name: &str) -> Result<Option<ActualTable>> {
    let queries = (
        all::<(String, String, bool, Option<String>, i64)>(COLUMNS, params![name]),
        all::<(String, String, String)>(KEYS, params![name]),
        all::<(String,)>(UNIQUES, params![name]),
        optional::<(String,)>(DEFINITION, params![name]),
        all::<IndexRow>(indexes!("m.tbl_name = $1"), params![name]),
    );
    let (columns, keys, uniques, definition, indexes) = fetch(connection, queries).await?;
    if columns.is_empty() {
        return Ok(None);
    }
    let primary = columns.iter().filter(|column| column.4 > 0).map(|column| column.0.clone()).collect();
    let columns = columns.into_iter().map(|(name, ty, is_null, default, _)| FoundColumn {
        name,
        ty,
        is_null,
        has_default: default.is_some(),
        default,
        identity: None,
    });
    let keys = keys.into_iter().map(|(columns, table, to)| FoundKey {
        name: None,
        columns: split(&columns),
        table,
        to: split(&to),
        is_valid: true,
    });
    // A virtual table has no definition that can be parsed, and no checks.
    let definition = definition.map(|(sql,)| sql).unwrap_or_default();
    let checks = CreateTable::parse(&definition).map(|parsed| parsed.checks()).unwrap_or_default();
    Ok(Some(ActualTable {
        is_partitioned: false,
        columns: columns.collect(),
        primary,
        uniques: uniques.iter().map(|(columns,)| split(columns)).collect(),
        keys: keys.collect(),
        checks,
        indexes: indexes.into_iter().map(index_of).collect(),
    }))
}

pub(super) async fn index(connection: &mut Connection, name: &str) -> Result<Option<FoundIndex>> {
    Ok(fetch(connection, optional::<IndexRow>(indexes!("m.name = $1"), params![name])).await?.map(index_of))
}

fn index_of((name, table, columns, is_unique, is_plain, definition): IndexRow) -> FoundIndex {
    FoundIndex {
        name,
        table,
        columns: split(&columns),
        is_unique,
        is_plain,
        is_valid: true,
        definition,
        same_as: Vec::new(),
        comparison: None,
    }
}
