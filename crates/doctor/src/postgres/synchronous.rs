//! Check `synchronous`: commits do not wait for missing standbys.

use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::one;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;

pub(super) const NAME: &str = "synchronous";

/// Standbys that commits wait for, and those that could replace them.
const SQL: &str = "SELECT count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')), \
       count(*) FILTER (WHERE sync_state = 'potential') FROM pg_stat_replication WHERE state = 'streaming'";

pub(super) async fn check(probe: &mut Probe<'_>, server: &Server) -> Result<Vec<Finding>> {
    let names = server.settings.text("synchronous_standby_names");
    let waits = !["off", "local"].contains(&server.settings.text("synchronous_commit"));
    if names.is_empty() || !waits {
        return Ok(Vec::new());
    }
    if !server.sees_all {
        probe.skip(NAME);
        return Ok(Vec::new());
    }
    let (there, spare) = probe.fetch(one::<(i64, i64)>(SQL, params![])).await?;
    Ok(evaluate(names, there, there + spare).into_iter().collect())
}

fn evaluate(names: &str, there: i64, all: i64) -> Option<Finding> {
    let wanted = wanted(names);
    let setting = format!("synchronous_standby_names is {names:?}");
    if there < wanted {
        return Some(
            Finding::critical(
                NAME,
                format!("commits hang: {setting} and needs {wanted} of these standbys, {there} stream"),
                "each write waits, and keeps its locks, until enough standbys are back",
            )
            .sql("SELECT application_name, client_addr, state, sync_state FROM pg_stat_replication;")
            .advise(
                "start the standby; its name is the application_name in its primary_conninfo, or its \
                cluster_name",
            )
            .sql(
                "ALTER SYSTEM SET synchronous_standby_names = ''; -- unblocks writes; losing the primary then \
                loses the latest commits",
            )
            .sql("SELECT pg_reload_conf();"),
        );
    }
    (all == wanted).then(|| {
        Finding::note(
            NAME,
            format!("{setting}, with no standby to spare: it needs {wanted}, and {wanted} are connected"),
            "when one of them stops, even for maintenance, all writes wait",
        )
        .advise("add a standby to the list, before one of these is stopped")
    })
}

/// Returns the number of standbys a commit waits for: `ANY 2 (a, b)`, `FIRST 1 (a, b)`, `2 (a, b)` or `a, b`.
fn wanted(names: &str) -> i64 {
    let Some((head, _)) = names.split_once('(') else { return 1 };
    head.split_whitespace().last().and_then(|number| number.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::severity::Severity;

    #[test]
    fn the_number_is_read_in_all_its_forms() {
        for (names, expected) in [
            ("ANY 2 (a, b, c)", 2),
            ("FIRST 1 (a)", 1),
            ("3 (a, b, c)", 3),
            ("a, b", 1),
            ("*", 1),
            ("ANY 2(a,b)", 2),
        ] {
            assert_eq!(wanted(names), expected, "{names}");
        }
    }

    #[test]
    fn too_few_standbys_are_critical_and_just_enough_are_a_note() {
        let severity = |there, all| evaluate("ANY 2 (a, b, c)", there, all).map(|finding| finding.severity);
        assert_eq!(severity(1, 1), Some(Severity::Critical));
        assert_eq!(severity(2, 2), Some(Severity::Note));
        assert_eq!(severity(3, 3), None);
    }
}
