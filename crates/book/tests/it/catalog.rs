//! The schema in the databases' own catalogs.

use tallybook::Dialect;
use tallybook::Session;

use crate::support::rows;

/// Returns tables with their columns, keys, indexes and sequences, one line each.
pub(crate) async fn catalog(session: &mut impl Session) -> Vec<String> {
    let queries = match session.dialect() {
        Dialect::Postgres => POSTGRES,
        Dialect::Sqlite => SQLITE,
    };
    let mut lines = Vec::new();
    for &query in queries {
        lines.extend(rows::<(String,)>(session, query).await.into_iter().map(|(line,)| line));
    }
    lines
}

const POSTGRES: &[&str] = &[
    "SELECT format('%s.%s %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), \
       CASE WHEN a.attnotnull THEN ' not null' END, ' default ' || pg_get_expr(d.adbin, d.adrelid)) \
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' \
       AND a.attnum > 0 AND NOT a.attisdropped \
     ORDER BY c.relname, a.attnum",
    "SELECT format('%s %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated) \
     FROM pg_constraint WHERE connamespace = current_schema()::regnamespace \
     ORDER BY conrelid::regclass::text, conname",
    "SELECT format('%s %s', pg_get_indexdef(indexrelid), indisvalid) FROM pg_index \
     JOIN pg_class c ON c.oid = indexrelid WHERE c.relnamespace = current_schema()::regnamespace \
     ORDER BY c.relname",
    "SELECT format('%s %s %s', sequencename, data_type, increment_by) FROM pg_sequences \
     WHERE schemaname = current_schema() ORDER BY sequencename",
];

const SQLITE: &[&str] = &[
    "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master \
     WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name",
    "SELECT m.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk || ' ' || \
       coalesce(c.dflt_value, '') \
     FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.cid",
    "SELECT m.name || '.' || k.\"from\" || ' ' || k.\"table\" || '.' || k.\"to\" || ' ' || k.on_update || \
       ' ' || k.on_delete || ' ' || k.match \
     FROM sqlite_master m, pragma_foreign_key_list(m.name) k WHERE m.type = 'table' \
     ORDER BY m.name, k.id, k.seq",
    "SELECT m.name || ' ' || i.name || ' ' || i.\"unique\" || ' ' || i.origin || ' ' || i.partial || ' ' || \
       coalesce(c.name, 'rowid') \
     FROM sqlite_master m, pragma_index_list(m.name) i, pragma_index_info(i.name) c \
     WHERE m.type = 'table' ORDER BY m.name, i.name, c.seqno",
];
