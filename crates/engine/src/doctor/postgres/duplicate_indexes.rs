//! Indexes that another one makes needless. The idea is that of PgHero's "duplicate indexes" and pgexperts'
//! "duplicate_indexes_fuzzy".

use super::Server;
use crate::Row;
use crate::doctor::finding::Finding;
use crate::doctor::units::bytes;
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::migrate::indexes_of;
use crate::params;
use crate::query::all;

pub(super) const NAME: &str = "duplicate_indexes";

/// Pairs of the same table, method, condition, and of the same classes, collations and orders as far as the first goes.
/// The first is not unique, or both are: a unique one has a use of its own. Of equal ones, the first is the younger.
const SQL: &str = "SELECT a.indexrelid::regclass::text AS name, b.indexrelid::regclass::text AS other, \
       ca.relname::text AS bare, a.indrelid::regclass::text AS of_table, pg_relation_size(a.indexrelid) AS bytes, \
       a.indnkeyatts = b.indnkeyatts AS is_same \
     FROM pg_index a JOIN pg_index b ON a.indrelid = b.indrelid AND a.indexrelid <> b.indexrelid \
     JOIN pg_class ca ON ca.oid = a.indexrelid JOIN pg_class cb ON cb.oid = b.indexrelid AND ca.relam = cb.relam \
     JOIN pg_am m ON m.oid = ca.relam \
     JOIN pg_namespace n ON n.oid = ca.relnamespace AND n.nspname NOT IN ('pg_catalog', 'pg_toast', \
     'information_schema') \
     WHERE a.indisvalid AND b.indisvalid AND a.indnkeyatts <= b.indnkeyatts \
       AND (a.indnkeyatts = b.indnkeyatts OR m.amname = 'btree') \
       AND (a.indnatts = a.indnkeyatts OR a.indkey = b.indkey) \
       AND a.indexprs IS NULL AND b.indexprs IS NULL AND pg_get_expr(a.indpred, a.indrelid) IS NOT DISTINCT \
       FROM pg_get_expr(b.indpred, b.indrelid) \
       AND (a.indkey::int2[])[0:a.indnkeyatts - 1] = (b.indkey::int2[])[0:a.indnkeyatts - 1] \
       AND (a.indclass::oid[])[0:a.indnkeyatts - 1] = (b.indclass::oid[])[0:a.indnkeyatts - 1] \
       AND (a.indcollation::oid[])[0:a.indnkeyatts - 1] = (b.indcollation::oid[])[0:a.indnkeyatts - 1] \
       AND (a.indoption::int2[])[0:a.indnkeyatts - 1] = (b.indoption::int2[])[0:a.indnkeyatts - 1] \
       AND (NOT a.indisunique OR b.indisunique AND a.indnkeyatts = b.indnkeyatts) AND NOT a.indisexclusion \
       AND NOT a.indisreplident AND NOT a.indisclustered \
       AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = a.indexrelid AND k.contype IN ('p', \
       'u', 'x')) \
       AND (a.indnkeyatts < b.indnkeyatts OR a.indisunique < b.indisunique OR a.indexrelid > b.indexrelid \
         OR EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = b.indexrelid AND k.contype IN ('p', 'u', 'x'))) \
     ORDER BY 1, is_same DESC, 2";

#[derive(Row)]
struct Pair {
    name: String,
    other: String,
    bare: String,
    of_table: String,
    bytes: i64,
    is_same: bool,
}

pub(super) async fn look(visit: &mut Visit<'_>, _server: &Server) -> Result<Vec<Finding>> {
    // Those that revisions make were weighed, and come back.
    let meant = indexes_of(visit.revisions);
    let mut pairs = visit.fetch(all::<Pair>(SQL, params![])).await?;
    pairs.retain(|pair| !meant.contains(&&*pair.bare));
    pairs.dedup_by(|later, first| later.name == first.name);
    Ok(pairs.iter().map(judge).collect())
}

fn judge(pair: &Pair) -> Finding {
    let Pair { name, other, of_table, bytes: size, is_same, .. } = pair;
    let size = bytes(*size);
    let why = "each write keeps both, and both take room in memory";
    let finding = match is_same {
        true => Finding::warning(
            NAME,
            format!("the index {name} of {of_table} ({size}) is a double of {other}"),
            why,
        ),
        false => Finding::note(
            NAME,
            format!(
                "the index {name} of {of_table} ({size}) is the beginning of {other}, which serves its reads too"
            ),
            why,
        ),
    };
    finding.sql(format!("DROP INDEX CONCURRENTLY {name};"))
}
