//! Check `locks`: no session waits long for a lock. The idea comes from PgHero's "blocked queries".

use tallybook_sql::Row;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::all;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;
use crate::units::{counted, seconds};

pub(super) const NAME: &str = "locks";

/// Waiting sessions by the session at the head of their queue.
const SQL: &str = "SELECT blocker.pid::bigint AS pid, coalesce(blocker.usename::text, '') AS user_name, \
       coalesce(blocker.application_name, '') AS program, coalesce(blocker.state, '') AS state, \
       coalesce(extract(epoch FROM clock_timestamp() - blocker.xact_start), 0)::bigint AS age, \
       count(*) AS waiting, floor(max(extract(epoch FROM clock_timestamp() - waiter.query_start)))::bigint AS longest \
     FROM pg_stat_activity waiter \
     CROSS JOIN LATERAL unnest(pg_blocking_pids(waiter.pid)) AS by(pid) \
     JOIN pg_stat_activity blocker ON blocker.pid = by.pid \
     WHERE waiter.wait_event_type = 'Lock' AND cardinality(pg_blocking_pids(blocker.pid)) = 0 \
     GROUP BY 1, 2, 3, 4, 5 ORDER BY longest DESC LIMIT 5";

const WARNING_SECONDS: i64 = 5;
const CRITICAL_SECONDS: i64 = 60;

#[derive(Row)]
struct Blocker {
    pid: i64,
    user_name: String,
    program: String,
    state: String,
    age: i64,
    waiting: i64,
    longest: i64,
}

pub(super) async fn check(probe: &mut Probe<'_>, server: &Server) -> Result<Vec<Finding>> {
    if !server.sees_all {
        probe.skip(NAME);
        return Ok(Vec::new());
    }
    Ok(probe.fetch(all::<Blocker>(SQL, params![])).await?.iter().filter_map(evaluate).collect())
}

fn evaluate(blocker: &Blocker) -> Option<Finding> {
    let Blocker { pid, user_name, program, state, age, waiting, longest } = blocker;
    if *longest < WARNING_SECONDS {
        return None;
    }
    let waiters = counted(*waiting as usize, "session");
    let what = format!(
        "{waiters} waited up to {} for a lock of process {pid} ({user_name}, {program:?}, {state}, its transaction \
         is {} old)",
        seconds(*longest),
        seconds(*age)
    );
    let why = "they wait until it ends, and further sessions queue after them";
    let finding = if *longest >= CRITICAL_SECONDS {
        Finding::critical(NAME, what, why)
    } else {
        Finding::warning(NAME, what, why)
    };
    Some(
        finding
            .sql(format!("SELECT * FROM pg_stat_activity WHERE pid = {pid}; -- what it does"))
            .sql(format!("SELECT pg_terminate_backend({pid}); -- ends it: its transaction is rolled back")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::severity::Severity;

    #[test]
    fn a_wait_is_a_warning_from_five_seconds_and_critical_from_a_minute_on() {
        let severity = |longest| {
            let [user_name, program, state] = ["ada", "x", "active"].map(str::to_owned);
            let blocker = Blocker { pid: 7, user_name, program, state, age: 9_000, waiting: 1, longest };
            evaluate(&blocker).map(|finding| finding.severity)
        };
        for (longest, expected) in [
            (4, None),
            (5, Some(Severity::Warning)),
            (59, Some(Severity::Warning)),
            (60, Some(Severity::Critical)),
        ] {
            assert_eq!(severity(longest), expected, "{longest} s");
        }
    }
}
