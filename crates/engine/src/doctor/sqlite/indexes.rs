//! Indexes that another one makes needless, and keys without one.

use crate::Row;
use crate::doctor::finding::Finding;
use crate::doctor::units::shell;
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::migrate::indexes_of;
use crate::params;
use crate::query::all;

pub(super) const NAME: &str = "indexes";

/// The columns of each index with their orders, in one text; expressions and conditions are not compared.
const INDEXES: &str = "SELECT m.tbl_name AS of_table, i.name AS name, i.\"unique\" AS is_unique, i.origin = \
    'c' AS is_made, \
       (SELECT group_concat(coll || ' ' || \"desc\" || ' ' || coalesce(name, '?'), ',') FROM \
       pragma_index_xinfo(i.name) WHERE key) || ',' AS columns \
     FROM sqlite_master m, pragma_index_list(m.name) i WHERE m.type = 'table' AND NOT i.partial ORDER BY 1, \
     i.seq DESC";

const KEYS: &str = "SELECT m.name, k.\"from\", k.\"table\" FROM sqlite_master m, pragma_foreign_key_list(m.name) k \
     WHERE m.type = 'table' AND k.seq = 0 AND NOT EXISTS (SELECT 1 FROM pragma_index_list(m.name) i, \
     pragma_index_info(i.name) c \
       WHERE c.seqno = 0 AND c.name = k.\"from\" AND NOT i.partial) \
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

pub(super) async fn look(visit: &mut Visit<'_>) -> Result<Vec<Finding>> {
    let queries = (all::<Index>(INDEXES, params![]), all::<(String, String, String)>(KEYS, params![]));
    let (indexes, keys) = visit.fetch(queries).await?;
    let meant = indexes_of(visit.revisions);
    let file = shell(&visit.seat.name);
    let mut findings: Vec<_> =
        duplicates(&indexes, &meant).map(|(index, other)| duplicate(index, other, &file)).collect();
    findings.extend(keys.iter().map(|key| without_index(key, &file)));
    Ok(findings)
}

/// Each index with the first that makes it needless. Those that revisions make were weighed, and come back.
fn duplicates<'a>(indexes: &'a [Index], meant: &'a [&str]) -> impl Iterator<Item = (&'a Index, &'a Index)> {
    let candidates =
        indexes.iter().enumerate().filter(|(_, index)| index.is_made && !meant.contains(&&*index.name));
    candidates.filter_map(move |(place, index)| {
        let columns = index.columns.as_deref()?;
        let other = indexes.iter().enumerate().find(|(there, other)| {
            let is_same = other.columns.as_deref() == Some(columns);
            let begins = other.columns.as_deref().is_some_and(|others| others.starts_with(columns));
            // Of equal ones the later is told of.
            let serves = if index.is_unique { is_same && other.is_unique } else { begins };
            let is_kept = !is_same
                || !other.is_made
                || meant.contains(&&*other.name)
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
    let why = "each write keeps both";
    let finding = if *columns == other.columns {
        Finding::warning(NAME, what("a double of"), why)
    } else {
        Finding::note(NAME, what("the beginning of"), why)
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
        format!("to delete a row of {parent}, and to find what refers to it, all of {table} is read"),
    )
    .run(format!("sqlite3 {file} {}", shell(&create)))
}

/// A name as SQL has it: whoever chose it may have put a quotation mark into it, and a statement behind that.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
