//! Whether the planner knows what is in the tables.

use crate::doctor::finding::Finding;
use crate::doctor::units::{bytes, shell};
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::params;
use crate::query::one;

pub(super) const NAME: &str = "statistics";

/// Smaller files are read whole in no time.
const LARGE: i64 = 64 << 20;

const SQL: &str = "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'";

pub(super) async fn look(visit: &mut Visit<'_>) -> Result<Vec<Finding>> {
    let (has_statistics,) = visit.fetch(one::<(i64,)>(SQL, params![])).await?;
    let size = visit.seen.node.facts.as_ref().and_then(|facts| facts.bytes).unwrap_or_default();
    Ok(judge(has_statistics > 0, size, &visit.seat.name).into_iter().collect())
}

fn judge(has_statistics: bool, size: i64, file: &str) -> Option<Finding> {
    if has_statistics || size < LARGE {
        return None;
    }
    let what = format!("it was never analyzed, and has {}", bytes(size));
    let why = "the planner guesses which index is the better one";
    Some(Finding::note(NAME, what, why).run(format!("sqlite3 {} 'PRAGMA optimize'", shell(file))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_64_megabytes_should_have_been_analyzed() {
        assert!(judge(false, 67_108_863, "f").is_none());
        assert!(judge(false, 67_108_864, "f").is_some());
        assert!(judge(true, 67_108_864, "f").is_none());
    }
}
