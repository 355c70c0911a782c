//! Check `version`: the server's major version is still maintained.

use chrono::NaiveDate;
use tallybook_sql::error::Result;
use tallybook_sql::value::now;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;

pub(super) const NAME: &str = "version";

/// End of maintenance of each major version: <https://www.postgresql.org/support/versioning/>
const ENDS: [(i64, i32, u32, u32); 6] = [
    (13, 2025, 11, 13),
    (14, 2026, 11, 12),
    (15, 2027, 11, 11),
    (16, 2028, 11, 9),
    (17, 2029, 11, 8),
    (18, 2030, 11, 14),
];
/// Days of notice before the end of maintenance.
const NOTICE_DAYS: i64 = 180;

pub(super) async fn check(probe: &mut Probe<'_>, server: &Server) -> Result<Vec<Finding>> {
    let name = probe.report.node.facts.as_ref().map(|facts| facts.version.clone()).unwrap_or_default();
    Ok(evaluate(of(server.version), &name, now().date_naive()).into_iter().collect())
}

/// Returns the major version.
pub(crate) fn of(number: i64) -> i64 {
    number / 10_000
}

fn evaluate(major: i64, name: &str, today: NaiveDate) -> Option<Finding> {
    let (first, ..) = ENDS[0];
    let end = ENDS.iter().find(|(known, ..)| *known == major);
    let end = end.and_then(|&(_, year, month, day)| NaiveDate::from_ymd_opt(year, month, day));
    let why = "security holes and bugs that lose data are no longer fixed";
    let advise = |finding: Finding| {
        finding.advise("plan the move to a newer major version: pg_upgrade, or logical replication")
    };
    match end {
        None if major < first => {
            let what =
                format!("PostgreSQL {name} is no longer maintained, and not fully supported by the doctor");
            Some(advise(Finding::warning(NAME, what, why)))
        }
        Some(end) if end < today => Some(advise(Finding::warning(
            NAME,
            format!("PostgreSQL {name} has not been maintained since {end}"),
            why,
        ))),
        Some(end) if (end - today).num_days() < NOTICE_DAYS => Some(advise(Finding::note(
            NAME,
            format!("PostgreSQL {name} is maintained until {end} only"),
            why,
        ))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::severity::Severity;

    #[test]
    fn a_version_is_reported_before_and_after_its_end_of_life() {
        for (major, today, expected) in [
            (9, (2025, 1, 1), Some(Severity::Warning)),
            (12, (2025, 1, 1), Some(Severity::Warning)),
            (15, (2027, 5, 15), None),
            (15, (2027, 5, 16), Some(Severity::Note)),
            (15, (2027, 11, 11), Some(Severity::Note)),
            (15, (2027, 11, 12), Some(Severity::Warning)),
            (99, (2027, 1, 1), None),
        ] {
            let today = NaiveDate::from_ymd_opt(today.0, today.1, today.2).unwrap();
            let found = evaluate(major, "x", today).map(|finding| finding.severity);
            assert_eq!(found, expected, "{major} {today}");
        }
    }
}
