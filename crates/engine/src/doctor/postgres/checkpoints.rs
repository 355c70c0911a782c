//! Checkpoints that come too early.

use super::Server;
use crate::doctor::finding::Finding;
use crate::doctor::units::{bytes, thousands};
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::params;
use crate::query::one;

pub(super) const NAME: &str = "checkpoints";

/// PostgreSQL's default.
const DEFAULT: i64 = 1 << 30;
/// Requests that a day of backups and deployments brings anyway.
const FEW: i64 = 50;
const MIB: i64 = 1 << 20;

const SINCE: &str =
    "coalesce(to_char(stats_reset AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), 'the beginning')";

pub(super) async fn look(visit: &mut Visit<'_>, server: &Server) -> Result<Vec<Finding>> {
    let sql = if server.version >= 170_000 {
        format!("SELECT num_timed, num_requested, {SINCE} FROM pg_stat_checkpointer")
    } else {
        format!("SELECT checkpoints_timed, checkpoints_req, {SINCE} FROM pg_stat_bgwriter")
    };
    let (timed, requested, since) = visit.fetch(one::<(i64, i64, String)>(sql, params![])).await?;
    let size = server.settings.number("max_wal_size").unwrap_or_default() * MIB;
    Ok(judge(timed, requested, &since, size).into_iter().collect())
}

fn judge(timed: i64, requested: i64, since: &str, size: i64) -> Option<Finding> {
    let is_forced = requested > FEW && requested > timed;
    let size_text = bytes(size);
    let what = if is_forced {
        format!(
            "{} of {} checkpoints since {since} were forced, mostly because max_wal_size ({size_text}) was full",
            thousands(requested),
            thousands(requested + timed)
        )
    } else if size < DEFAULT {
        format!("max_wal_size is {size_text}, less than PostgreSQL's default of 1 GB")
    } else {
        return None;
    };
    let why = "after each checkpoint whole pages are written to the log: more to write and to replicate, and \
        slower commits";
    Some(
        Finding::note(NAME, what, why)
            .sql(format!("ALTER SYSTEM SET max_wal_size = '{}GB';", (2 * size / DEFAULT).max(1)))
            .sql("SELECT pg_reload_conf();"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forced_checkpoints_and_a_small_log_are_told_of() {
        const GIGABYTE: i64 = 1_073_741_824;
        let told = judge(10, 90, "x", 2 * GIGABYTE).unwrap();
        assert!(told.what.contains("90 of 100") && told.next[0].to_string().contains("'4GB'"), "{told:?}");
        assert!(judge(0, 50, "x", GIGABYTE).is_none());
        assert!(judge(0, 51, "x", GIGABYTE).is_some());
        assert!(judge(90, 90, "x", GIGABYTE).is_none());
        assert!(judge(89, 90, "x", GIGABYTE).is_some());
        assert!(judge(90, 10, "x", GIGABYTE - 1).is_some());
    }
}
