//! Indexes that a failed build left behind. The query's idea is that of PgHero's "invalid indexes".

use super::Server;
use crate::Row;
use crate::doctor::finding::Finding;
use crate::doctor::units::bytes;
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::params;
use crate::query::all;

pub(super) const NAME: &str = "invalid_indexes";

/// Without those that are being built right now.
const SQL: &str = "SELECT i.indexrelid::regclass::text AS name, i.indrelid::regclass::text AS of_table, \
       pg_relation_size(i.indexrelid) AS bytes, i.indisunique AS is_unique, \
       c.relname ~ '_ccnew[0-9]*$' OR c.relname ~ '_ccold[0-9]*$' AS is_leftover \
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
     WHERE NOT (i.indisvalid AND i.indisready) AND c.relkind = 'i' \
       AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid) ORDER BY 1";

#[derive(Row)]
struct Invalid {
    name: String,
    of_table: String,
    bytes: i64,
    is_unique: bool,
    is_leftover: bool,
}

pub(super) async fn look(visit: &mut Visit<'_>, _server: &Server) -> Result<Vec<Finding>> {
    Ok(visit.fetch(all::<Invalid>(SQL, params![])).await?.iter().map(judge).collect())
}

fn judge(index: &Invalid) -> Finding {
    let Invalid { name, of_table, bytes: size, is_unique, is_leftover } = index;
    let what = format!("the index {name} of {of_table} is invalid: a build failed ({})", bytes(*size));
    let why = match is_unique {
        true => "it keeps no doubles out that are there already, no read uses it, and each write pays for it",
        false => "no read uses it, and each write pays for it",
    };
    let finding = Finding::warning(NAME, what, why);
    let drop = format!("DROP INDEX CONCURRENTLY {name};");
    if *is_leftover {
        return finding.sql(drop);
    }
    let finding = match is_unique {
        true => {
            finding.advise("look for doubles of its columns first: they are what a unique build fails on")
        }
        false => finding,
    };
    finding.sql(format!("REINDEX INDEX CONCURRENTLY {name};")).sql(format!("{drop} -- if it is not wanted"))
}
