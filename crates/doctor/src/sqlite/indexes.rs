//! Check `indexes`: no redundant index, and an index for each foreign key.

use tallybook_migrate::indexes_of;
use tallybook_sql::Row;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::all;

use crate::finding::Finding;
use crate::index_review::RedundantIndex;
use crate::probe::Probe;
use crate::units::shell;

pub(super) const NAME: &str = "indexes";

/// Columns of each index with their sort orders, as one text. Expressions and partial indexes are not
/// compared.
const INDEXES: &str = "SELECT m.tbl_name AS of_table, i.name AS name, i.\"unique\" AS is_unique, i.origin = \
    'c' AS is_made, \
       (SELECT group_concat(coll || ' ' || \"desc\" || ' ' || coalesce(name, '?'), ',') FROM \
       pragma_index_xinfo(i.name) WHERE key) || ',' AS columns \
     FROM sqlite_master m, pragma_index_list(m.name) i WHERE m.type = 'table' AND NOT i.partial ORDER BY 1, \
     i.seq DESC";

/// Counts an index of the rows that have the key as well: no reference is in the others.
const KEYS: &str = "SELECT m.name, k.\"from\", k.\"table\" FROM sqlite_master m, pragma_foreign_key_list(m.name) k \
     WHERE m.type = 'table' AND k.seq = 0 AND NOT EXISTS (SELECT 1 FROM pragma_index_list(m.name) i, \
     pragma_index_info(i.name) c \
       WHERE c.seqno = 0 AND c.name = k.\"from\" AND (NOT i.partial OR EXISTS (SELECT 1 FROM sqlite_master s \
         WHERE s.type = 'index' AND s.name = i.name AND lower(s.sql) LIKE '% where ' || lower(k.\"from\") || ' is not null'))) \
       AND NOT EXISTS (SELECT 1 FROM pragma_table_info(m.name) c WHERE c.pk = 1 AND c.name = k.\"from\") \
       ORDER BY 1, 2";

#[derive(Row)]
struct Index {
    of_table: String,
    name: String,
    is_unique: bool,
    is_made: bool,
    columns: Option<String>,
}

pub(super) async fn check(probe: &mut Probe<'_>) -> Result<Vec<Finding>> {
    let queries = (all::<Index>(INDEXES, params![]), all::<(String, String, String)>(KEYS, params![]));
    let (indexes, keys) = probe.fetch(queries).await?;
    let from_revisions = indexes_of(probe.revisions);
    let file = shell(&probe.config.name);
    let mut findings: Vec<_> =
        duplicates(&indexes, &from_revisions).map(|(index, other)| duplicate(index, other, &file)).collect();
    findings.extend(keys.iter().map(|key| without_index(key, &file)));
    Ok(findings)
}

/// Returns the redundant indexes, each with one that replaces it.
pub(crate) async fn redundant(probe: &mut Probe<'_>) -> Result<Vec<RedundantIndex>> {
    let indexes = probe.fetch(all::<Index>(INDEXES, params![])).await?;
    let from_revisions = indexes_of(probe.revisions);
    let redundant = duplicates(&indexes, &from_revisions).map(|(index, other)| RedundantIndex {
        name: index.name.clone(),
        other: other.name.clone(),
        is_same: index.columns == other.columns,
    });
    Ok(redundant.collect())
}

/// Pairs each redundant index with the first that replaces it. Indexes created by revisions are deliberate
/// and would come back.
fn duplicates<'a>(
    indexes: &'a [Index],
    from_revisions: &'a [&str],
) -> impl Iterator<Item = (&'a Index, &'a Index)> {
    let candidates = indexes
        .iter()
        .enumerate()
        .filter(|(_, index)| index.is_made && !from_revisions.contains(&&*index.name));
    candidates.filter_map(move |(place, index)| {
        let columns = index.columns.as_deref()?;
        let other = indexes.iter().enumerate().find(|(there, other)| {
            let is_same = other.columns.as_deref() == Some(columns);
            let begins = other.columns.as_deref().is_some_and(|others| others.starts_with(columns));
            // Of equal indexes the later one is reported.
            let serves = if index.is_unique { is_same && other.is_unique } else { begins };
            let is_kept = !is_same
                || !other.is_made
                || from_revisions.contains(&&*other.name)
                || (other.is_unique && !index.is_unique)
                || *there < place;
            *there != place && other.of_table == index.of_table && !columns.contains('?') && serves && is_kept
        });
        other.map(|(_, other)| (index, other))
    })
}

fn duplicate(index: &Index, other: &Index, file: &str) -> Finding {
    let Index { of_table, name, columns, .. } = index;
    let what = |is: &str| format!("the index {name} of {of_table} is {is} {}", other.name);
    let why = "each write maintains both";
    let finding = if *columns == other.columns {
        Finding::warning(NAME, what("a duplicate of"), why)
    } else {
        Finding::note(NAME, what("a prefix of"), why)
    };
    finding.run(format!("sqlite3 {file} {}", shell(&format!("DROP INDEX {}", quoted(name)))))
}

fn without_index((table, column, parent): &(String, String, String), file: &str) -> Finding {
    let create = format!(
        "CREATE INDEX {} ON {} ({})",
        quoted(&format!("ix_{table}_{column}")),
        quoted(table),
        quoted(column)
    );
    Finding::note(
        NAME,
        format!("no index begins with the foreign key {table}.{column}"),
        format!("deleting a row of {parent}, or finding the rows that refer to it, scans all of {table}"),
    )
    .run(format!("sqlite3 {file} {}", shell(&create)))
}

/// Quotes an SQL identifier. The name is untrusted: it may contain a quotation mark and a statement after it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
