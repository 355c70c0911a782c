//! Check `transactions`: no transaction stays open too long.

use tallybook_sql::Row;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::all;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;
use crate::severity::Severity;
use crate::units::{literal, seconds};

pub(super) const NAME: &str = "transactions";

const MAX_IDLE_SECONDS: i64 = 60;
const MAX_BUSY_SECONDS: i64 = 900;
const HOUR: i64 = 3_600;
const WHY: &str = "while open, it keeps its locks and prevents the removal of dead rows in all tables";

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
struct OpenTransaction {
    pid: i64,
    user_name: String,
    program: String,
    is_idle: bool,
    age: i64,
}

pub(super) async fn check(probe: &mut Probe<'_>, server: &Server) -> Result<Vec<Finding>> {
    let prepared = probe.fetch(all::<(String, String, i64)>(PREPARED, params![])).await?;
    let mut findings: Vec<_> = prepared.iter().filter_map(evaluate_prepared).collect();
    if server.sees_all {
        findings
            .extend(probe.fetch(all::<OpenTransaction>(SQL, params![])).await?.iter().filter_map(evaluate));
    } else {
        probe.skip(NAME);
    }
    Ok(findings)
}

fn evaluate(open: &OpenTransaction) -> Option<Finding> {
    let OpenTransaction { pid, user_name, program, is_idle, age } = open;
    let limit = if *is_idle { MAX_IDLE_SECONDS } else { MAX_BUSY_SECONDS };
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

fn evaluate_prepared((name, owner, age): &(String, String, i64)) -> Option<Finding> {
    if *age < MAX_IDLE_SECONDS {
        return None;
    }
    let what = format!("the prepared transaction {name:?} of {owner} has been open for {}", seconds(*age));
    let severity = if *age >= HOUR { Severity::Critical } else { Severity::Warning };
    let why = "it survives its session and restarts; until somebody ends it, it keeps its locks and prevents the \
        removal of dead rows";
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
            evaluate(&OpenTransaction { pid: 7, user_name, program, is_idle, age })
                .map(|finding| finding.severity)
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
        let prepared = |age| evaluate_prepared(&("o'".to_owned(), "ada".to_owned(), age));
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
