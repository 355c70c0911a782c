//! Check `corruption`: the server reports no checksum failure and no changed collation.

use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::one;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;
use crate::units::counted;

pub(super) const NAME: &str = "corruption";

const CHECKSUMS: &str = "SELECT coalesce(sum(checksum_failures), 0)::bigint, \
       coalesce(to_char(max(checksum_last_failure) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), '') FROM \
       pg_stat_database";

/// Since PostgreSQL 15.
const COLLATION: &str = "SELECT coalesce(datcollversion, ''), \
    coalesce(pg_database_collation_actual_version(oid), ''), \
       quote_ident(datname) FROM pg_database WHERE datname = current_database()";

pub(super) async fn check(probe: &mut Probe<'_>, server: &Server) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let (failures, last) = probe.fetch(one::<(i64, String)>(CHECKSUMS, params![])).await?;
    if failures > 0 {
        findings.push(
            Finding::critical(
                NAME,
                format!("{} failed the checksum, the last at {last} UTC", counted(failures as usize, "page")),
                "the disk, its controller or memory corrupts data; damaged pages cannot be read, and backups may \
                 contain them too",
            )
            .sql(
                "SELECT datname, checksum_failures, checksum_last_failure FROM pg_stat_database WHERE \
                checksum_failures > 0;",
            )
            .run("pg_amcheck --all    # which tables and indexes")
            .advise("fail over to a standby whose pages are good, and replace the disk"),
        );
    }
    if server.version >= 150_000 {
        let row = probe.fetch(one::<(String, String, String)>(COLLATION, params![])).await?;
        findings.extend(evaluate_collation(&row.0, &row.1, &row.2));
    }
    Ok(findings)
}

fn evaluate_collation(recorded: &str, actual: &str, database: &str) -> Option<Finding> {
    if recorded.is_empty() || actual.is_empty() || recorded == actual {
        return None;
    }
    Some(
        Finding::warning(
            NAME,
            format!("the collation version changed from {recorded} to {actual}"),
            "text indexes still have the old sort order: reads can miss rows, and unique indexes admit duplicates",
        )
        .sql(format!("REINDEX DATABASE CONCURRENTLY {database};"))
        .sql(format!("ALTER DATABASE {database} REFRESH COLLATION VERSION;")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_collation_version_is_reported() {
        assert!(evaluate_collation("2.31", "2.36", "book").is_some());
        assert!(evaluate_collation("2.36", "2.36", "book").is_none());
        assert!(evaluate_collation("", "2.36", "book").is_none());
    }
}
