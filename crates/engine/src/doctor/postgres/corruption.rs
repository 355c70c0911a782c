//! Damage that the server knows of.

use super::Server;
use crate::doctor::finding::Finding;
use crate::doctor::units::counted;
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::params;
use crate::query::one;

pub(super) const NAME: &str = "corruption";

const CHECKSUMS: &str = "SELECT coalesce(sum(checksum_failures), 0)::bigint, \
       coalesce(to_char(max(checksum_last_failure) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), '') FROM \
       pg_stat_database";

/// Since PostgreSQL 15.
const COLLATION: &str = "SELECT coalesce(datcollversion, ''), \
    coalesce(pg_database_collation_actual_version(oid), ''), \
       quote_ident(datname) FROM pg_database WHERE datname = current_database()";

pub(super) async fn look(visit: &mut Visit<'_>, server: &Server) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let (failures, last) = visit.fetch(one::<(i64, String)>(CHECKSUMS, params![])).await?;
    if failures > 0 {
        findings.push(
            Finding::critical(
                NAME,
                format!("{} failed the checksum, the last at {last} UTC", counted(failures as usize, "page")),
                "the disk, its controller or memory damages data; what is damaged can't be read, and backups \
                 may hold it too",
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
        let row = visit.fetch(one::<(String, String, String)>(COLLATION, params![])).await?;
        findings.extend(judge_collation(&row.0, &row.1, &row.2));
    }
    Ok(findings)
}

fn judge_collation(recorded: &str, actual: &str, database: &str) -> Option<Finding> {
    if recorded.is_empty() || actual.is_empty() || recorded == actual {
        return None;
    }
    Some(
        Finding::warning(
            NAME,
            format!("texts were sorted by version {recorded} of the system's rules, and now are by {actual}"),
            "indexes of texts were built in the old order: reads can miss rows, and unique ones let doubles in",
        )
        .sql(format!("REINDEX DATABASE CONCURRENTLY {database};"))
        .sql(format!("ALTER DATABASE {database} REFRESH COLLATION VERSION;")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_of_texts_that_changed_is_told_of() {
        assert!(judge_collation("2.31", "2.36", "book").is_some());
        assert!(judge_collation("2.36", "2.36", "book").is_none());
        assert!(judge_collation("", "2.36", "book").is_none());
    }
}
