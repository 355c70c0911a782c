//! Rows that forbid a unique index.

use std::fmt;

use serde::Serialize;
use tallybook_core::driver::Connection;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Result;
use tallybook_sql::escaped::Escaped;
use tallybook_sql::params;
use tallybook_sql::query::all;

use crate::catalog::fetch;
use crate::steps::table::Index;

/// The most groups, and the most rows of a group, that are named.
const MAX_NAMED: usize = 10;

/// Rows that forbid a unique index: several have the same values in its columns. It names their identifiers, and no other
/// value of theirs. `Display` prints several lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DuplicateRows {
    /// The index, which is not unique.
    pub index: &'static str,
    /// Its table.
    pub table: &'static str,
    /// Its columns.
    pub columns: &'static [&'static str],
    /// Groups of rows with the same values, ordered by their first identifier; at most ten.
    pub groups: Vec<DuplicateGroup>,
    /// The number of groups beyond those.
    pub more: u64,
    /// The statements that make the index unique, once each group is merged into one row.
    pub sql: Vec<String>,
}

/// Rows with the same values in the columns of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DuplicateGroup {
    /// Their identifiers, in order; at most ten.
    pub ids: Vec<String>,
    /// The number of rows beyond those.
    pub more: u64,
}

impl fmt::Display for DuplicateGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.ids.iter().map(|id| Escaped(id).to_string()).collect();
        f.write_str(&ids.join(", "))?;
        if self.more > 0 { write!(f, " and {} more", self.more) } else { Ok(()) }
    }
}

impl fmt::Display for DuplicateRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, table, columns, groups, more, sql } = self;
        let columns = columns.join(", ");
        writeln!(f, "{index} is not unique: rows of {table} have the same {columns}. Their ids:")?;
        for group in groups {
            writeln!(f, "  {group}")?;
        }
        if *more > 0 {
            writeln!(f, "  and {more} more")?;
        }
        write!(f, "merge the rows of each line into one, then make the index unique:")?;
        sql.iter().try_for_each(|sql| write!(f, "\n  {sql};"))
    }
}

/// Returns the rows that forbid a unique index, if any do. One query, which reads the index or the table.
pub(crate) async fn find(connection: &mut Connection, index: &Index) -> Result<Option<DuplicateRows>> {
    let dialect = connection.dialect();
    type Group = (i64, String, i64);
    let found = fetch(connection, all::<Group>(query(index, dialect), params![])).await?;
    let Some(&(_, _, total)) = found.first() else { return Ok(None) };
    let groups: Vec<_> = found
        .into_iter()
        .map(|(rows, ids, _)| {
            let ids: Vec<_> = ids.split(' ').take(MAX_NAMED).map(str::to_owned).collect();
            DuplicateGroup { more: rows.unsigned_abs() - ids.len() as u64, ids }
        })
        .collect();
    Ok(Some(DuplicateRows {
        index: index.name,
        table: index.table,
        columns: index.columns,
        more: total.unsigned_abs() - groups.len() as u64,
        groups,
        sql: index.unique().replacement(dialect),
    }))
}

/// Returns the query for the groups: the number of their rows, their first identifiers, and the number of all groups.
fn query(index: &Index, dialect: Dialect) -> String {
    let keys: Vec<_> = index.columns.iter().map(|key| without_order(key)).collect();
    // A unique index holds any number of rows with a NULL.
    let conditions = keys.iter().map(|key| format!("{key} IS NOT NULL"));
    let filter = index.filter.map(|filter| format!("({})", filter.text(dialect)));
    let conditions: Vec<_> = conditions.chain(filter).collect();
    let (ids, first) = match dialect {
        Dialect::Postgres => (
            format!("array_to_string((array_agg(id::text ORDER BY id))[1:{MAX_NAMED}], ' ')"),
            "(array_agg(id ORDER BY id))[1]",
        ),
        Dialect::Sqlite => ("group_concat(id, ' ' ORDER BY id)".to_owned(), "min(id)"),
    };
    format!(
        "SELECT count(*), {ids}, count(*) OVER () FROM {} WHERE {} GROUP BY {} HAVING count(*) > 1 ORDER BY {first} \
         LIMIT {MAX_NAMED}",
        index.table,
        conditions.join(" AND "),
        keys.join(", ")
    )
}

/// Returns a key without its order.
fn without_order(key: &str) -> &str {
    let mut key = key.trim();
    for order in ["NULLS FIRST", "NULLS LAST", "ASC", "DESC"] {
        let start = key.len().saturating_sub(order.len());
        if let Some(rest) =
            key.get(start..).filter(|end| end.eq_ignore_ascii_case(order)).map(|_| &key[..start])
            && rest.ends_with(char::is_whitespace)
        {
            key = rest.trim_end();
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::{DuplicateGroup, DuplicateRows, without_order};

    #[test]
    fn a_key_is_grouped_by_without_its_order() {
        assert_eq!(without_order("symbol"), "symbol");
        assert_eq!(without_order("created_at DESC NULLS LAST"), "created_at");
        assert_eq!(without_order("lower(email) asc"), "lower(email)");
        assert_eq!(without_order("redesc"), "redesc");
    }

    #[test]
    fn the_text_names_ids_and_says_what_to_do() {
        let group =
            |ids: &[&str], more| DuplicateGroup { ids: ids.iter().map(|&id| id.to_owned()).collect(), more };
        let rows = DuplicateRows {
            index: "ix_notes_title",
            table: "notes",
            columns: &["author", "title"],
            groups: vec![group(&["1", "3"], 0), group(&["4", "5"], 7)],
            more: 2,
            sql: vec!["DROP INDEX IF EXISTS ix_notes_title".to_owned()],
        };
        assert_eq!(
            rows.to_string(),
            "ix_notes_title is not unique: rows of notes have the same author, title. Their ids:\n  1, 3\n  \
             4, 5 and 7 more\n  and 2 more\nmerge the rows of each line into one, then make the index unique:\n  \
             DROP INDEX IF EXISTS ix_notes_title;"
        );
    }
}
