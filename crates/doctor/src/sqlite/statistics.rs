//! Check `statistics`: the planner has statistics.

use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::one;

use crate::finding::Finding;
use crate::probe::Probe;
use crate::units::{bytes, shell};

pub(super) const NAME: &str = "statistics";

/// Smaller files need no statistics, in bytes.
const MIN_SIZE: i64 = 64 << 20;

const SQL: &str = "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'";

pub(super) async fn check(probe: &mut Probe<'_>) -> Result<Vec<Finding>> {
    let (has_statistics,) = probe.fetch(one::<(i64,)>(SQL, params![])).await?;
    let size = probe.report.node.facts.as_ref().and_then(|facts| facts.bytes).unwrap_or_default();
    Ok(evaluate(has_statistics > 0, size, &probe.config.name).into_iter().collect())
}

fn evaluate(has_statistics: bool, size: i64, file: &str) -> Option<Finding> {
    if has_statistics || size < MIN_SIZE {
        return None;
    }
    let what = format!("it was never analyzed, and has {}", bytes(size));
    let why = "the planner guesses which index is better";
    Some(Finding::note(NAME, what, why).run(format!("sqlite3 {} 'PRAGMA optimize'", shell(file))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_64_megabytes_should_have_been_analyzed() {
        assert!(evaluate(false, 67_108_863, "f").is_none());
        assert!(evaluate(false, 67_108_864, "f").is_some());
        assert!(evaluate(true, 67_108_864, "f").is_none());
    }
}
