//! Whether the file is sound: `quick_check` and `foreign_key_check`, which read all of it.

use std::time::Duration;

use tokio::time::timeout;

use crate::doctor::finding::Finding;
use crate::doctor::units::{bytes, shell};
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::params;
use crate::query::all;

pub(super) const NAME: &str = "integrity";

/// Larger files take longer than a look may.
const LARGE: i64 = 1 << 30;
const LIMIT: Duration = Duration::from_secs(4);
const ERRORS: usize = 5;

const QUICK: &str = "SELECT quick_check FROM pragma_quick_check LIMIT 5";
const KEYS: &str =
    "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 5";

pub(super) async fn look(visit: &mut Visit<'_>) -> Result<Vec<Finding>> {
    let size = visit.seen.node.facts.as_ref().and_then(|facts| facts.bytes).unwrap_or_default();
    let file = shell(&visit.seat.name);
    if let Some(finding) = too_large(size, &file) {
        visit.is_unseen(NAME);
        return Ok(vec![finding]);
    }
    let checks = (all::<(String,)>(QUICK, params![]), all::<(String, String, i64)>(KEYS, params![]));
    let Ok(outcome) = timeout(LIMIT, visit.fetch(checks)).await else {
        visit.connection.clean().await?;
        visit.is_unseen(NAME);
        let reason = format!("it was not through with {} in {} s", bytes(size), LIMIT.as_secs());
        return Ok(vec![left_out(&reason, &file)]);
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
    (size > LARGE).then(|| left_out(&format!("it has {}", bytes(size)), file))
}

fn damaged(errors: &[String], file: &str) -> Finding {
    let some: Vec<_> = errors.iter().take(ERRORS).map(|error| error.replace('\n', " ")).collect();
    Finding::critical(
        NAME,
        format!("the file is damaged: {}", some.join("; ")),
        "reads fail or return what is wrong, and each write can make it worse",
    )
    .advise("stop the programs that use it, and copy the file and its -wal aside before anything else")
    .run(format!("sqlite3 {file} .recover > recovered.sql    # then read it into a new file"))
    .advise("or go back to the last backup")
}

fn orphaned((table, parent, count): &(String, String, i64), file: &str) -> Finding {
    Finding::critical(
        NAME,
        format!("{count} rows of {table} refer to rows of {parent} that do not exist"),
        "they were written without foreign keys, by a program or a shell that does not switch them on; joins \
         lose them",
    )
    .run(format!("sqlite3 {file} 'PRAGMA foreign_key_check({table})'"))
}

fn left_out(reason: &str, file: &str) -> Finding {
    Finding::note(
        NAME,
        format!("whether the file is sound was not looked at: {reason}"),
        "the check reads all of it",
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
