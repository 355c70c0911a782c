//! Check `conflicts`: reads on a standby are not cancelled by replay.

use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::one;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;
use crate::units::{seconds, thousands};

pub(super) const NAME: &str = "conflicts";

/// PostgreSQL's default of `max_standby_streaming_delay`, in milliseconds.
const DEFAULT_DELAY: i64 = 30_000;

const SQL: &str = "SELECT (confl_tablespace + confl_lock + confl_snapshot + confl_bufferpin + \
    confl_deadlock)::bigint, \
       coalesce(to_char(stats_reset AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), 'the beginning') \
     FROM pg_stat_database_conflicts c JOIN pg_stat_database d USING (datid) WHERE c.datname = current_database()";

pub(super) async fn check(probe: &mut Probe<'_>, server: &Server) -> Result<Vec<Finding>> {
    let (cancelled, since) = probe.fetch(one::<(i64, String)>(SQL, params![])).await?;
    let has_feedback = server.settings.is("hot_standby_feedback", "on");
    let delay = server.settings.number("max_standby_streaming_delay").unwrap_or(DEFAULT_DELAY);
    Ok(evaluate(cancelled, &since, has_feedback, delay).into_iter().collect())
}

fn evaluate(cancelled: i64, since: &str, has_feedback: bool, delay: i64) -> Option<Finding> {
    let feedback = |finding: Finding| {
        finding
            .sql("ALTER SYSTEM SET hot_standby_feedback = on; -- the primary then keeps dead rows for its reads")
            .sql("SELECT pg_reload_conf();")
    };
    let text = if delay < 0 { "no limit".to_owned() } else { seconds(delay / 1_000) };
    if cancelled > 0 && !has_feedback {
        let what = format!(
            "{} reads were cancelled since {since}: the replay needed what they looked at",
            thousands(cancelled)
        );
        let why = "they are retried on another node, which doubles their time and loads the primary";
        return Some(feedback(Finding::note(NAME, what, why)));
    }
    if !has_feedback && (0..DEFAULT_DELAY).contains(&delay) {
        let what = format!(
            "hot_standby_feedback is off, and a read may hold up the replay for {text} only \
             (max_standby_streaming_delay)"
        );
        let why = "longer reads are cancelled when the primary removes rows that they still see";
        return Some(feedback(Finding::note(NAME, what, why)));
    }
    (delay < 0).then(|| {
        Finding::note(
            NAME,
            "a read may hold up the replay for ever (max_standby_streaming_delay is -1)",
            "one long report makes all other reads on this standby stale",
        )
        .sql("ALTER SYSTEM SET max_standby_streaming_delay = '30s';")
        .sql("SELECT pg_reload_conf();")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancelled_reads_and_extreme_delays_are_reported() {
        assert!(evaluate(1, "x", false, 30_000).unwrap().what.starts_with("1 reads"));
        assert!(evaluate(0, "x", false, 0).unwrap().what.contains("0 s only"));
        assert!(evaluate(0, "x", false, 29_999).unwrap().what.contains("29 s only"));
        assert!(evaluate(0, "x", false, 30_000).is_none());
        assert!(evaluate(0, "x", true, 29_999).is_none());
        assert!(evaluate(0, "x", true, -1).unwrap().what.contains("for ever"));
        assert!(evaluate(1, "x", true, 30_000).is_none());
    }
}
