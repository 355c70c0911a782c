//! Check `connections`: enough connections are free.

use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::one;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;

pub(super) const NAME: &str = "connections";

const SQL: &str = "SELECT sum(numbackends)::bigint FROM pg_stat_database";
const WHO: &str = "SELECT usename, application_name, client_addr, state, count(*) FROM pg_stat_activity \
     WHERE backend_type = 'client backend' GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC;";

pub(super) async fn check(probe: &mut Probe<'_>, server: &Server) -> Result<Vec<Finding>> {
    let setting = |name| server.settings.number(name).unwrap_or_default();
    let limit = setting("max_connections");
    let for_programs = limit - setting("superuser_reserved_connections") - setting("reserved_connections");
    if let Some(peer_facts) = &mut probe.report.peer_facts {
        peer_facts.connections = for_programs;
    }
    let (used,) = probe.fetch(one::<(i64,)>(SQL, params![])).await?;
    Ok(evaluate(used, for_programs).into_iter().collect())
}

fn evaluate(used: i64, limit: i64) -> Option<Finding> {
    let what = format!("{used} of the {limit} connections that programs may have are taken");
    let finding = match used * 100 / limit.max(1) {
        ..75 => return None,
        75..90 => Finding::warning(
            NAME,
            what,
            "at the next peak, or when pools refill after a fail-over, some programs are refused",
        ),
        _ => Finding::critical(NAME, what, "programs are about to be refused: \"too many clients already\""),
    };
    Some(finding.sql(WHO).advise(
        "end what is idle, make pools smaller (DB_POOL_SIZE, DB_MAX_OVERFLOW), put PgBouncer between, or raise \
         max_connections, which needs a restart",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::severity::Severity;

    #[test]
    fn it_warns_before_they_run_out() {
        for (used, expected) in [
            (74, None),
            (75, Some(Severity::Warning)),
            (89, Some(Severity::Warning)),
            (90, Some(Severity::Critical)),
        ] {
            assert_eq!(evaluate(used, 100).map(|finding| finding.severity), expected, "{used}");
        }
    }
}
