//! Transactions that are open for too long.

use super::Server;
use crate::Row;
use crate::doctor::finding::Finding;
use crate::doctor::severity::Severity;
use crate::doctor::units::{literal, seconds};
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::params;
use crate::query::all;

pub(super) const NAME: &str = "transactions";

const IDLE_SECONDS: i64 = 60;
const BUSY_SECONDS: i64 = 900;
const HOUR: i64 = 3_600;
const WHY: &str =
    "it keeps its locks, and dead rows of all tables from being removed, for as long as it is open";

const SQL: &str = "SELECT pid::bigint AS pid, coalesce(usename::text, '') AS user_name, \
       coalesce(application_name, '') AS program, coalesce(state LIKE 'idle in transaction%', false) AS is_idle, \
       extract(epoch FROM clock_timestamp() - CASE WHEN state LIKE 'idle in transaction%' THEN state_change \
         ELSE xact_start END)::bigint AS age \
     FROM pg_stat_activity WHERE backend_type = 'client backend' AND xact_start IS NOT NULL AND pid <> \
     pg_backend_pid() \
     ORDER BY age DESC LIMIT 5";

const PREPARED: &str = "SELECT gid, owner::text, extract(epoch FROM clock_timestamp() - prepared)::bigint \
     FROM pg_prepared_xacts ORDER BY prepared LIMIT 5";

#[derive(Row)]
struct Open {
    pid: i64,
    user_name: String,
    program: String,
    is_idle: bool,
    age: i64,
}

pub(super) async fn look(visit: &mut Visit<'_>, server: &Server) -> Result<Vec<Finding>> {
    let prepared = visit.fetch(all::<(String, String, i64)>(PREPARED, params![])).await?;
    let mut findings: Vec<_> = prepared.iter().filter_map(judge_prepared).collect();
    if server.sees_all {
        findings.extend(visit.fetch(all::<Open>(SQL, params![])).await?.iter().filter_map(judge));
    } else {
        visit.is_unseen(NAME);
    }
    Ok(findings)
}

fn judge(open: &Open) -> Option<Finding> {
    let Open { pid, user_name, program, is_idle, age } = open;
    let limit = if *is_idle { IDLE_SECONDS } else { BUSY_SECONDS };
    if *age < limit {
        return None;
    }
    let does = if *is_idle { "has been idle in a transaction" } else { "has run a transaction" };
    let what = format!("process {pid} ({user_name}, {program:?}) {does} for {}", seconds(*age));
    let severity = if *is_idle || *age >= HOUR { Severity::Warning } else { Severity::Note };
    Some(
        Finding::new(severity, NAME, what, WHY)
            .sql(format!("SELECT * FROM pg_stat_activity WHERE pid = {pid}; -- what it did last"))
            .sql(format!("SELECT pg_terminate_backend({pid}); -- ends it: its transaction is rolled back")),
    )
}

fn judge_prepared((name, owner, age): &(String, String, i64)) -> Option<Finding> {
    if *age < IDLE_SECONDS {
        return None;
    }
    let what = format!("the prepared transaction {name:?} of {owner} has been open for {}", seconds(*age));
    let severity = if *age >= HOUR { Severity::Critical } else { Severity::Warning };
    let why = "it outlives its session and restarts, keeps its locks, and dead rows from being removed, \
        until somebody ends it";
    let finding = Finding::new(severity, NAME, what, why);
    Some(finding.sql(format!(
        "ROLLBACK PREPARED {}; -- or COMMIT PREPARED, whatever its coordinator says",
        literal(name)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_ones_matter_sooner_than_busy_ones_and_prepared_ones_most() {
        let open = |is_idle, age| {
            let (user_name, program) = ("ada".to_owned(), "x".to_owned());
            judge(&Open { pid: 7, user_name, program, is_idle, age }).map(|finding| finding.severity)
        };
        for (is_idle, age, expected) in [
            (true, 59, None),
            (true, 60, Some(Severity::Warning)),
            (true, 3_600, Some(Severity::Warning)),
            (false, 899, None),
            (false, 900, Some(Severity::Note)),
            (false, 3_599, Some(Severity::Note)),
            (false, 3_600, Some(Severity::Warning)),
        ] {
            assert_eq!(open(is_idle, age), expected, "idle: {is_idle}, {age} s");
        }
        let prepared = |age| judge_prepared(&("o'".to_owned(), "ada".to_owned(), age));
        for (age, expected) in [
            (59, None),
            (60, Some(Severity::Warning)),
            (3_599, Some(Severity::Warning)),
            (3_600, Some(Severity::Critical)),
        ] {
            assert_eq!(prepared(age).map(|finding| finding.severity), expected, "{age} s");
        }
        assert!(prepared(60).unwrap().next[0].to_string().starts_with("ROLLBACK PREPARED 'o''';"));
    }
}
