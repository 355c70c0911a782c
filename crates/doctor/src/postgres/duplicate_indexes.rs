//! Check `duplicate_indexes`: no index is made redundant by another. The idea comes from PgHero's "duplicate
//! indexes" and pgexperts' "duplicate_indexes_fuzzy".

use tallybook_migrate::indexes_of;
use tallybook_sql::Row;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::all;

use super::server::Server;
use crate::finding::Finding;
use crate::index_review::RedundantIndex;
use crate::probe::Probe;
use crate::units::bytes;

pub(super) const NAME: &str = "duplicate_indexes";

/// Pairs with the same table, method and condition, and the same operator classes, collations and sort orders
/// up to the length of the first. The first is not unique, or both are, because a unique index also enforces
/// a constraint. Of equal ones, the first is the younger.
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

pub(super) async fn check(probe: &mut Probe<'_>, _server: &Server) -> Result<Vec<Finding>> {
    Ok(pairs(probe).await?.iter().map(evaluate).collect())
}

/// Returns the redundant indexes, each with one that replaces it.
pub(crate) async fn redundant(probe: &mut Probe<'_>) -> Result<Vec<RedundantIndex>> {
    let pairs = pairs(probe).await?.into_iter();
    Ok(pairs
        .map(|pair| RedundantIndex { name: pair.bare, other: pair.other, is_same: pair.is_same })
        .collect())
}

async fn pairs(probe: &mut Probe<'_>) -> Result<Vec<Pair>> {
    // Revisions created these on purpose and would create them again.
    let from_revisions = indexes_of(probe.revisions);
    let mut pairs = probe.fetch(all::<Pair>(SQL, params![])).await?;
    pairs.retain(|pair| !from_revisions.contains(&&*pair.bare));
    pairs.dedup_by(|later, first| later.name == first.name);
    Ok(pairs)
}

fn evaluate(pair: &Pair) -> Finding {
    let Pair { name, other, of_table, bytes: size, is_same, .. } = pair;
    let size = bytes(*size);
    let why = "each write maintains both, and both take memory";
    let finding = match is_same {
        true => Finding::warning(
            NAME,
            format!("the index {name} of {of_table} ({size}) is a duplicate of {other}"),
            why,
        ),
        false => Finding::note(
            NAME,
            format!(
                "the index {name} of {of_table} ({size}) is a prefix of {other}, which serves its reads too"
            ),
            why,
        ),
    };
    finding.sql(format!("DROP INDEX CONCURRENTLY {name};"))
}
