//! How far the server is from running out of transaction ids.

use super::Server;
use crate::doctor::finding::Finding;
use crate::doctor::severity::Severity;
use crate::doctor::units::{shell, thousands};
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::params;
use crate::query::all;

pub(super) const NAME: &str = "wraparound";

/// Ids that there are between the oldest and the newest.
const ALL: i64 = 1 << 31;
/// Autovacuum begins at 200 million by itself; it does not keep up here.
const WARNING: i64 = 500_000_000;
const CRITICAL: i64 = 1_500_000_000;

const SQL: &str = "SELECT datname::text, age(datfrozenxid)::bigint, mxid_age(datminmxid)::bigint FROM pg_database \
     ORDER BY greatest(age(datfrozenxid), mxid_age(datminmxid)) DESC LIMIT 3";
const TABLES: &str = "SELECT oid::regclass, age(relfrozenxid) FROM pg_class WHERE relkind IN ('r', 'm', 't') \
     ORDER BY 2 DESC LIMIT 10;";

pub(super) async fn look(visit: &mut Visit<'_>, _server: &Server) -> Result<Vec<Finding>> {
    let rows = visit.fetch(all::<(String, i64, i64)>(SQL, params![])).await?;
    Ok(rows.iter().filter_map(|(database, age, multi)| judge(database, (*age).max(*multi))).collect())
}

fn judge(database: &str, age: i64) -> Option<Finding> {
    let severity = match age {
        ..WARNING => return None,
        WARNING..CRITICAL => Severity::Warning,
        _ => Severity::Critical,
    };
    let left = thousands(ALL - age);
    Some(
        Finding::new(
            severity,
            NAME,
            format!("the oldest transaction id in {database} is {} old; {left} are left", thousands(age)),
            "when none are left the server takes no writes until it is vacuumed by hand, which takes hours",
        )
        .sql(
            "SELECT pid, xact_start, backend_xmin FROM pg_stat_activity WHERE backend_xmin IS NOT NULL \
            ORDER BY age(backend_xmin) DESC;",
        )
        .sql(TABLES)
        .run(format!("vacuumdb --freeze -d {}", shell(database))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_warns_long_before_the_ids_run_out() {
        let severity = |age| judge("book", age).map(|finding| finding.severity);
        for (age, expected) in [
            (499_999_999, None),
            (500_000_000, Some(Severity::Warning)),
            (1_499_999_999, Some(Severity::Warning)),
            (1_500_000_000, Some(Severity::Critical)),
        ] {
            assert_eq!(severity(age), expected, "{age}");
        }
        assert!(judge("book", 2_000_000_000).unwrap().what.ends_with("147,483,648 are left"));
    }
}
