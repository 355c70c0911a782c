//! Whether commits wait for standbys that are not there.

use super::Server;
use crate::doctor::finding::Finding;
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::params;
use crate::query::one;

pub(super) const NAME: &str = "synchronous";

/// Those that are waited for, and those that could take their place.
const SQL: &str = "SELECT count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')), \
       count(*) FILTER (WHERE sync_state = 'potential') FROM pg_stat_replication WHERE state = 'streaming'";

pub(super) async fn look(visit: &mut Visit<'_>, server: &Server) -> Result<Vec<Finding>> {
    let names = server.settings.text("synchronous_standby_names");
    let waits = !["off", "local"].contains(&server.settings.text("synchronous_commit"));
    if names.is_empty() || !waits {
        return Ok(Vec::new());
    }
    if !server.sees_all {
        visit.is_unseen(NAME);
        return Ok(Vec::new());
    }
    let (there, spare) = visit.fetch(one::<(i64, i64)>(SQL, params![])).await?;
    Ok(judge(names, there, there + spare).into_iter().collect())
}

fn judge(names: &str, there: i64, all: i64) -> Option<Finding> {
    let wanted = wanted(names);
    let setting = format!("synchronous_standby_names is {names:?}");
    if there < wanted {
        return Some(
            Finding::critical(
                NAME,
                format!("commits hang: {setting} and needs {wanted} of these standbys, {there} stream"),
                "each write waits, with its locks, until so many standbys are back",
            )
            .sql("SELECT application_name, client_addr, state, sync_state FROM pg_stat_replication;")
            .advise(
                "start the standby; its name is the application_name in its primary_conninfo, or its \
                cluster_name",
            )
            .sql(
                "ALTER SYSTEM SET synchronous_standby_names = ''; -- lets writes go on; then the loss of \
                the primary loses the last commits",
            )
            .sql("SELECT pg_reload_conf();"),
        );
    }
    (all == wanted).then(|| {
        Finding::note(
            NAME,
            format!("{setting}, and not one standby more than it needs ({wanted}) is there"),
            "when one of them stops, for maintenance too, all writes wait",
        )
        .advise("add a standby to the list, before one of these is stopped")
    })
}

/// How many standbys a commit waits for: `ANY 2 (a, b)`, `FIRST 1 (a, b)`, `2 (a, b)` or `a, b`.
fn wanted(names: &str) -> i64 {
    let Some((head, _)) = names.split_once('(') else { return 1 };
    head.split_whitespace().last().and_then(|number| number.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::severity::Severity;

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
    fn too_few_hang_and_just_enough_are_noted() {
        let severity = |there, all| judge("ANY 2 (a, b, c)", there, all).map(|finding| finding.severity);
        assert_eq!(severity(1, 1), Some(Severity::Critical));
        assert_eq!(severity(2, 2), Some(Severity::Note));
        assert_eq!(severity(3, 3), None);
    }
}
