//! Check `integrity`: `quick_check` and `foreign_key_check`, which read the whole file.

use std::time::Duration;

use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::all;
use tokio::time::timeout;

use crate::finding::Finding;
use crate::probe::Probe;
use crate::units::{bytes, shell};

pub(super) const NAME: &str = "integrity";

/// Larger files take longer than a check may, in bytes.
const MAX_SIZE: i64 = 1 << 30;
const TIME_LIMIT: Duration = Duration::from_secs(4);
const MAX_ERRORS: usize = 5;

const QUICK: &str = "SELECT quick_check FROM pragma_quick_check LIMIT 5";
const KEYS: &str =
    "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 5";

pub(super) async fn check(probe: &mut Probe<'_>) -> Result<Vec<Finding>> {
    let size = probe.report.node.facts.as_ref().and_then(|facts| facts.bytes).unwrap_or_default();
    let file = shell(&probe.config.name);
    if let Some(finding) = too_large(size, &file) {
        probe.skip(NAME);
        return Ok(vec![finding]);
    }
    let checks = (all::<(String,)>(QUICK, params![]), all::<(String, String, i64)>(KEYS, params![]));
    let Ok(outcome) = timeout(TIME_LIMIT, probe.fetch(checks)).await else {
        probe.connection.clean().await?;
        probe.skip(NAME);
        let reason = format!("checking {} took longer than {} s", bytes(size), TIME_LIMIT.as_secs());
        return Ok(vec![skipped(&reason, &file)]);
    };
    let (errors, orphans) = outcome?;
    let errors: Vec<_> = errors.into_iter().map(|(error,)| error).filter(|error| error != "ok").collect();
    let mut findings: Vec<_> = orphans.iter().map(|orphan| orphaned(orphan, &file)).collect();
    if !errors.is_empty() {
        findings.push(damaged(&errors, &file));
    }
    Ok(findings)
}

fn too_large(size: i64, file: &str) -> Option<Finding> {
    (size > MAX_SIZE).then(|| skipped(&format!("it has {}", bytes(size)), file))
}

fn damaged(errors: &[String], file: &str) -> Finding {
    let some: Vec<_> = errors.iter().take(MAX_ERRORS).map(|error| error.replace('\n', " ")).collect();
    Finding::critical(
        NAME,
        format!("the file is damaged: {}", some.join("; ")),
        "reads fail or return wrong data, and each write can make it worse",
    )
    .advise("stop the programs that use it, and copy the file and its -wal aside before anything else")
    .run(format!("sqlite3 {file} .recover > recovered.sql    # then read it into a new file"))
    .advise("or go back to the last backup")
}

fn orphaned((table, parent, count): &(String, String, i64), file: &str) -> Finding {
    Finding::critical(
        NAME,
        format!("{count} rows of {table} refer to rows of {parent} that do not exist"),
        "they were written without foreign key enforcement, by a program or shell that leaves it off; joins \
         lose them",
    )
    .run(format!("sqlite3 {file} 'PRAGMA foreign_key_check({table})'"))
}

fn skipped(reason: &str, file: &str) -> Finding {
    Finding::note(
        NAME,
        format!("the integrity of the file was not checked: {reason}"),
        "the check reads the whole file",
    )
    .run(format!("sqlite3 {file} 'PRAGMA quick_check' 'PRAGMA foreign_key_check'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_more_than_a_gigabyte_is_not_read_whole() {
        assert!(too_large(1_073_741_824, "f").is_none());
        assert!(too_large(1_073_741_825, "f").unwrap().what.ends_with("it has 1.0 GB"));
    }
}
