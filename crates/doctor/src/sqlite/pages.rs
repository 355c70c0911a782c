//! Check `pages`: write-ahead log, and few free pages.

use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::one;

use crate::finding::Finding;
use crate::probe::Probe;
use crate::units::{bytes, shell};

pub(super) const NAME: &str = "pages";

/// Free bytes from which `VACUUM` pays, if they are a quarter of the file.
const MIN_FREE: i64 = 64 << 20;

const FREE: &str =
    "SELECT (SELECT freelist_count FROM pragma_freelist_count) * (SELECT page_size FROM pragma_page_size)";

pub(super) async fn check(probe: &mut Probe<'_>) -> Result<Vec<Finding>> {
    let (free,) = probe.fetch(one::<(i64,)>(FREE, params![])).await?;
    let facts = probe.report.node.facts.as_ref();
    let (size, journal) = facts.map_or((0, ""), |facts| {
        (facts.bytes.unwrap_or_default(), facts.journal.as_deref().unwrap_or_default())
    });
    let file = shell(&probe.config.name);
    let is_file = probe.config.name != "sqlite::memory:";
    let mut findings = Vec::new();
    if is_file && journal != "wal" && size > 0 {
        let what = format!("its journal is {journal}, not a write-ahead log");
        let why = "reads and writes block each other; the first write through Tallybook switches to a write-ahead log";
        findings
            .push(Finding::note(NAME, what, why).run(format!("sqlite3 {file} 'PRAGMA journal_mode = WAL'")));
    }
    findings.extend(evaluate_free_pages(free, size, &file));
    Ok(findings)
}

fn evaluate_free_pages(free: i64, size: i64, file: &str) -> Option<Finding> {
    if free < MIN_FREE || free * 4 < size {
        return None;
    }
    let what = format!("{} of its {} are free pages", bytes(free), bytes(size));
    let why = "deleted rows still take space on disk and in backups; new rows reuse it";
    Some(
        Finding::note(NAME, what, why)
            .run(format!("sqlite3 {file} VACUUM    # needs that much room again; nobody writes meanwhile")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_free_pages_are_reported() {
        const MEGABYTES_64: i64 = 67_108_864;
        assert!(evaluate_free_pages(MEGABYTES_64, MEGABYTES_64, "f").is_some());
        assert!(evaluate_free_pages(MEGABYTES_64 - 1, MEGABYTES_64, "f").is_none());
        assert!(evaluate_free_pages(MEGABYTES_64, 4 * MEGABYTES_64, "f").is_some());
        assert!(evaluate_free_pages(MEGABYTES_64, 4 * MEGABYTES_64 + 1, "f").is_none());
    }
}
