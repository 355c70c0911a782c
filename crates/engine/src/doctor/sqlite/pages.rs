//! The journal, and pages that are not used.

use crate::doctor::finding::Finding;
use crate::doctor::units::{bytes, shell};
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::params;
use crate::query::one;

pub(super) const NAME: &str = "pages";

/// Free bytes from which it is worth while to write the file anew, if they are a quarter of it.
const MANY: i64 = 64 << 20;

const FREE: &str =
    "SELECT (SELECT freelist_count FROM pragma_freelist_count) * (SELECT page_size FROM pragma_page_size)";

pub(super) async fn look(visit: &mut Visit<'_>) -> Result<Vec<Finding>> {
    let (free,) = visit.fetch(one::<(i64,)>(FREE, params![])).await?;
    let facts = visit.seen.node.facts.as_ref();
    let (size, journal) = facts.map_or((0, ""), |facts| {
        (facts.bytes.unwrap_or_default(), facts.journal.as_deref().unwrap_or_default())
    });
    let file = shell(&visit.seat.name);
    let is_file = visit.seat.name != "sqlite::memory:";
    let mut findings = Vec::new();
    if is_file && journal != "wal" && size > 0 {
        let what = format!("its journal is {journal}, not a write-ahead log");
        let why = "reads and writes keep each other waiting; the first write through Tallybook changes that";
        findings
            .push(Finding::note(NAME, what, why).run(format!("sqlite3 {file} 'PRAGMA journal_mode = WAL'")));
    }
    findings.extend(judge_free(free, size, &file));
    Ok(findings)
}

fn judge_free(free: i64, size: i64, file: &str) -> Option<Finding> {
    if free < MANY || free * 4 < size {
        return None;
    }
    let what = format!("{} of its {} are free pages", bytes(free), bytes(size));
    let why = "what was deleted still takes room on the disk and in backups; new rows use it first";
    Some(
        Finding::note(NAME, what, why)
            .run(format!("sqlite3 {file} VACUUM    # needs that much room again; nobody writes meanwhile")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_free_pages_are_told_of() {
        const MEGABYTES_64: i64 = 67_108_864;
        assert!(judge_free(MEGABYTES_64, MEGABYTES_64, "f").is_some());
        assert!(judge_free(MEGABYTES_64 - 1, MEGABYTES_64, "f").is_none());
        assert!(judge_free(MEGABYTES_64, 4 * MEGABYTES_64, "f").is_some());
        assert!(judge_free(MEGABYTES_64, 4 * MEGABYTES_64 + 1, "f").is_none());
    }
}
