//! Check `foreign_keys`: each foreign key has an index on its referencing columns. The idea comes from
//! pgexperts' "fk_no_index".

use tallybook_sql::Row;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::all;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;
use crate::severity::Severity;
use crate::units::thousands;

pub(super) const NAME: &str = "foreign_keys";

/// Rows from which a full scan of the table hurts.
const MANY_ROWS: i64 = 10_000;

/// Counts an index of the rows that have the key as well: no reference is in the others.
const SQL: &str = "SELECT k.conname::text AS name, k.conrelid::regclass::text AS of_table, \
    k.confrelid::regclass::text AS other, \
       (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY u.place) FROM unnest(k.conkey) WITH \
       ORDINALITY u(num, place) \
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num) AS columns, \
       greatest(c.reltuples, 0)::bigint AS row_count \
     FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid \
     WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT EXISTS (\
       SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indisvalid AND (i.indpred IS NULL OR cardinality(k.conkey) = 1 \
         AND pg_get_expr(i.indpred, i.indrelid) = (SELECT format('(%I IS NOT NULL)', a.attname) FROM pg_attribute a \
           WHERE a.attrelid = k.conrelid AND a.attnum = k.conkey[1])) \
         AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey) \
     ORDER BY row_count DESC, 2, 1";

#[derive(Row)]
struct Key {
    name: String,
    of_table: String,
    other: String,
    columns: String,
    row_count: i64,
}

pub(super) async fn check(probe: &mut Probe<'_>, _server: &Server) -> Result<Vec<Finding>> {
    Ok(probe.fetch(all::<Key>(SQL, params![])).await?.iter().map(evaluate).collect())
}

fn evaluate(key: &Key) -> Finding {
    let Key { name, of_table, other, columns, row_count } = key;
    let severity = if *row_count >= MANY_ROWS { Severity::Warning } else { Severity::Note };
    let rows = thousands(*row_count);
    Finding::new(
        severity,
        NAME,
        format!(
            "no index begins with the columns of the foreign key {name}: {of_table} ({columns}), about \
            {rows} rows"
        ),
        format!("deleting a row of {other}, or finding the rows that refer to it, scans the whole table"),
    )
    .sql(format!("CREATE INDEX CONCURRENTLY ON {of_table} ({columns});"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_an_index_is_a_warning_from_ten_thousand_rows_on() {
        let severity = |row_count| {
            let [name, of_table, other, columns] = ["k", "t", "o", "c"].map(str::to_owned);
            evaluate(&Key { name, of_table, other, columns, row_count }).severity
        };
        assert_eq!(severity(0), Severity::Note);
        assert_eq!(severity(9_999), Severity::Note);
        assert_eq!(severity(10_000), Severity::Warning);
    }
}
