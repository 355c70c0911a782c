//! Check `wraparound`: transaction ids are far from running out.

use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::all;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;
use crate::severity::Severity;
use crate::units::{shell, thousands};

pub(super) const NAME: &str = "wraparound";

/// Ids between the oldest and the newest.
const ID_SPACE: i64 = 1 << 31;
/// Autovacuum starts at 200 million by default, so here it does not keep up.
const WARNING_AGE: i64 = 500_000_000;
const CRITICAL_AGE: i64 = 1_500_000_000;

const SQL: &str = "SELECT datname::text, age(datfrozenxid)::bigint, mxid_age(datminmxid)::bigint FROM pg_database \
     ORDER BY greatest(age(datfrozenxid), mxid_age(datminmxid)) DESC LIMIT 3";
const TABLES: &str = "SELECT oid::regclass, age(relfrozenxid) FROM pg_class WHERE relkind IN ('r', 'm', 't') \
     ORDER BY 2 DESC LIMIT 10;";

pub(super) async fn check(probe: &mut Probe<'_>, _server: &Server) -> Result<Vec<Finding>> {
    let rows = probe.fetch(all::<(String, i64, i64)>(SQL, params![])).await?;
    Ok(rows.iter().filter_map(|(database, age, multi)| evaluate(database, (*age).max(*multi))).collect())
}

fn evaluate(database: &str, age: i64) -> Option<Finding> {
    let severity = match age {
        ..WARNING_AGE => return None,
        WARNING_AGE..CRITICAL_AGE => Severity::Warning,
        _ => Severity::Critical,
    };
    let left = thousands(ID_SPACE - age);
    Some(
        Finding::new(
            severity,
            NAME,
            format!("the oldest transaction id in {database} is {} old; {left} are left", thousands(age)),
            "when none are left the server refuses writes until it is vacuumed by hand, which takes hours",
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
        let severity = |age| evaluate("book", age).map(|finding| finding.severity);
        for (age, expected) in [
            (499_999_999, None),
            (500_000_000, Some(Severity::Warning)),
            (1_499_999_999, Some(Severity::Warning)),
            (1_500_000_000, Some(Severity::Critical)),
        ] {
            assert_eq!(severity(age), expected, "{age}");
        }
        assert!(evaluate("book", 2_000_000_000).unwrap().what.ends_with("147,483,648 are left"));
    }
}
