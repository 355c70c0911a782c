//! Check `invalid_indexes`: no failed build left an index behind. The idea comes from PgHero's "invalid
//! indexes".

use tallybook_sql::Row;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::all;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;
use crate::units::bytes;

pub(super) const NAME: &str = "invalid_indexes";

/// Without indexes that are being built.
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

pub(super) async fn check(probe: &mut Probe<'_>, _server: &Server) -> Result<Vec<Finding>> {
    Ok(probe.fetch(all::<Invalid>(SQL, params![])).await?.iter().map(evaluate).collect())
}

fn evaluate(index: &Invalid) -> Finding {
    let Invalid { name, of_table, bytes: size, is_unique, is_leftover } = index;
    let what = format!("the index {name} of {of_table} is invalid: a build failed ({})", bytes(*size));
    let why = match is_unique {
        true => {
            "it does not enforce uniqueness of existing rows, no read uses it, and each write maintains it"
        }
        false => "no read uses it, and each write maintains it",
    };
    let finding = Finding::warning(NAME, what, why);
    let drop = format!("DROP INDEX CONCURRENTLY {name};");
    if *is_leftover {
        return finding.sql(drop);
    }
    let finding = match is_unique {
        true => {
            finding.advise("first look for duplicate values in its columns: they make a unique build fail")
        }
        false => finding,
    };
    finding.sql(format!("REINDEX INDEX CONCURRENTLY {name};")).sql(format!("{drop} -- if it is not needed"))
}
