//! PostgreSQL's catalog.

use tallybook_core::driver::Connection;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::{all, optional};

use super::{ActualTable, FoundCheck, FoundColumn, FoundIndex, FoundKey, Identity, fetch, split};

pub(super) const TABLES: &str = "SELECT c.relname::text FROM pg_class c \
     JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema() \
     WHERE c.relkind IN ('r', 'p') ORDER BY 1";

const TABLE: &str = "SELECT c.relkind = 'p' FROM pg_class c \
     JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema() \
     WHERE c.relname = $1 AND c.relkind IN ('r', 'p')";

const COLUMNS: &str = "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, \
       a.atthasdef OR a.attidentity <> '', a.attidentity::text, \
       coalesce(CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) \
         ELSE format('GENERATED ALWAYS AS (%s) STORED', pg_get_expr(d.adbin, d.adrelid)) END, '') \
     FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum JOIN pg_class c ON c.oid = a.attrelid \
     JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema() \
     WHERE c.relname = $1 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped \
     ORDER BY a.attnum";

const CONSTRAINTS: &str = "SELECT k.conname::text, k.contype::text, \
       (SELECT string_agg(a.attname, E'\\n' ORDER BY u.place) FROM unnest(k.conkey) WITH ORDINALITY u(num, place) \
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num), \
       coalesce(t.relname::text, ''), \
       coalesce((SELECT string_agg(a.attname, E'\\n' ORDER BY u.place) \
        FROM unnest(k.confkey) WITH ORDINALITY u(num, place) \
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num), ''), \
       k.convalidated \
     FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid \
     JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema() \
     LEFT JOIN pg_class t ON t.oid = k.confrelid \
     WHERE c.relname = $1 AND k.contype IN ('p', 'u', 'f') ORDER BY k.conname";

const CHECKS: &str = "SELECT k.conname::text, pg_get_expr(k.conbin, k.conrelid), k.convalidated \
     FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid \
     JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema() \
     WHERE c.relname = $1 AND k.contype = 'c' ORDER BY k.conname";

const LABELS: &str = "SELECT coalesce(e.enumlabel::text, '') FROM pg_type t \
     JOIN pg_namespace n ON n.oid = t.typnamespace AND n.nspname = current_schema() \
     LEFT JOIN pg_enum e ON e.enumtypid = t.oid WHERE t.typname = $1 ORDER BY e.enumsortorder";

/// Also computes the definition that an index of only these columns would have.
macro_rules! indexes {
    ($condition:literal) => {
        concat!(
            "SELECT c.relname::text, t.relname::text, coalesce(k.columns, ''), i.indisunique, \
               pg_get_indexdef(i.indexrelid) = format('CREATE %sINDEX %I ON %s%I.%I USING btree (%s)', \
                 CASE WHEN i.indisunique THEN 'UNIQUE ' END, c.relname, CASE WHEN t.relkind = 'p' THEN 'ONLY ' END, \
                 n.nspname, t.relname, k.quoted), \
               i.indisvalid AND i.indisready, pg_get_indexdef(i.indexrelid), \
               EXISTS (SELECT FROM pg_constraint WHERE conindid = c.oid AND contype IN ('p', 'u')) \
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema() \
             CROSS JOIN LATERAL (SELECT string_agg(a.attname, E'\\n' ORDER BY u.place) AS columns, \
                 string_agg(quote_ident(a.attname), ', ' ORDER BY u.place) AS quoted \
               FROM unnest(i.indkey::int2[]) WITH ORDINALITY u(num, place) \
               JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.num) k \
             WHERE ",
            $condition,
            " ORDER BY c.relname"
        )
    };
}

type Constraint = (String, String, String, String, String, bool);
type IndexRow = (String, String, String, bool, bool, bool, String, bool);

pub(super) async fn table(connection: &mut Connection, name: &str) -> Result<Option<ActualTable>> {
    let queries = (
        optional::<(bool,)>(TABLE, params![name]),
        all::<(String, String, bool, bool, String, String)>(COLUMNS, params![name]),
        all::<Constraint>(CONSTRAINTS, params![name]),
        all::<(String, String, bool)>(CHECKS, params![name]),
        all::<IndexRow>(indexes!("t.relname = $1"), params![name]),
    );
    let (table, columns, constraints, checks, indexes) = fetch(connection, queries).await?;
    let Some((is_partitioned,)) = table else { return Ok(None) };
    let mut found = ActualTable { is_partitioned, ..ActualTable::default() };
    found.columns = columns
        .into_iter()
        .map(|(name, ty, is_null, has_default, identity, default)| FoundColumn {
            name,
            ty,
            is_null,
            has_default,
            default: (!default.is_empty()).then_some(default),
            identity: match &*identity {
                "" => None,
                "a" => Some(Identity::Always),
                _ => Some(Identity::ByDefault),
            },
        })
        .collect();
    for (name, kind, columns, table, to, is_valid) in constraints {
        let columns = split(&columns);
        match kind.as_str() {
            "p" => found.primary = columns,
            "u" => found.uniques.push(columns),
            _ => found.keys.push(FoundKey { name: Some(name), columns, table, to: split(&to), is_valid }),
        }
    }
    found.checks = checks
        .into_iter()
        .map(|(name, condition, is_valid)| FoundCheck { name: Some(name), condition, is_valid })
        .collect();
    for row in indexes {
        let is_constraint = row.7;
        let index = index_of(row);
        if index.is_unique && index.is_plain && index.is_valid && !is_constraint {
            found.uniques.push(index.columns.clone());
        }
        if !is_constraint {
            found.indexes.push(index);
        }
    }
    Ok(Some(found))
}

pub(super) async fn enum_labels(connection: &mut Connection, name: &str) -> Result<Option<Vec<String>>> {
    let rows = fetch(connection, all::<(String,)>(LABELS, params![name])).await?;
    Ok((!rows.is_empty()).then(|| rows.into_iter().map(|(label,)| label).collect()))
}

pub(super) async fn index(connection: &mut Connection, name: &str) -> Result<Option<FoundIndex>> {
    let query = optional::<IndexRow>(indexes!("c.relname = $1"), params![name]);
    Ok(fetch(connection, query).await?.map(index_of))
}

fn index_of((name, table, columns, is_unique, is_plain, is_valid, definition, _): IndexRow) -> FoundIndex {
    FoundIndex {
        name,
        table,
        columns: split(&columns),
        is_unique,
        is_plain,
        is_valid,
        definition,
        same_as: Vec::new(),
        comparison: None,
    }
}
