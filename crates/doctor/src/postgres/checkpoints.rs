//! Check `checkpoints`: checkpoints are not forced too often.

use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::one;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;
use crate::units::{bytes, thousands};

pub(super) const NAME: &str = "checkpoints";

/// PostgreSQL's default of `max_wal_size`.
const DEFAULT_WAL_SIZE: i64 = 1 << 30;
/// Requested checkpoints that a day of backups and deployments causes anyway.
const MAX_ROUTINE_REQUESTS: i64 = 50;
const MIB: i64 = 1 << 20;

const SINCE: &str =
    "coalesce(to_char(stats_reset AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), 'the beginning')";

pub(super) async fn check(probe: &mut Probe<'_>, server: &Server) -> Result<Vec<Finding>> {
    let sql = if server.version >= 170_000 {
        format!("SELECT num_timed, num_requested, {SINCE} FROM pg_stat_checkpointer")
    } else {
        format!("SELECT checkpoints_timed, checkpoints_req, {SINCE} FROM pg_stat_bgwriter")
    };
    let (timed, requested, since) = probe.fetch(one::<(i64, i64, String)>(sql, params![])).await?;
    let size = server.settings.number("max_wal_size").unwrap_or_default() * MIB;
    Ok(evaluate(timed, requested, &since, size).into_iter().collect())
}

fn evaluate(timed: i64, requested: i64, since: &str, size: i64) -> Option<Finding> {
    let is_forced = requested > MAX_ROUTINE_REQUESTS && requested > timed;
    let size_text = bytes(size);
    let what = if is_forced {
        format!(
            "{} of {} checkpoints since {since} were forced, mostly because max_wal_size ({size_text}) was full",
            thousands(requested),
            thousands(requested + timed)
        )
    } else if size < DEFAULT_WAL_SIZE {
        format!("max_wal_size is {size_text}, less than PostgreSQL's default of 1 GB")
    } else {
        return None;
    };
    let why = "each checkpoint makes the server log whole pages again: more log to write and replicate, slower \
        commits";
    Some(
        Finding::note(NAME, what, why)
            .sql(format!("ALTER SYSTEM SET max_wal_size = '{}GB';", (2 * size / DEFAULT_WAL_SIZE).max(1)))
            .sql("SELECT pg_reload_conf();"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forced_checkpoints_and_a_small_log_are_reported() {
        const GIGABYTE: i64 = 1_073_741_824;
        let finding = evaluate(10, 90, "x", 2 * GIGABYTE).unwrap();
        assert!(
            finding.what.contains("90 of 100") && finding.next[0].to_string().contains("'4GB'"),
            "{finding:?}"
        );
        assert!(evaluate(0, 50, "x", GIGABYTE).is_none());
        assert!(evaluate(0, 51, "x", GIGABYTE).is_some());
        assert!(evaluate(90, 90, "x", GIGABYTE).is_none());
        assert!(evaluate(89, 90, "x", GIGABYTE).is_some());
        assert!(evaluate(90, 10, "x", GIGABYTE - 1).is_some());
    }
}
