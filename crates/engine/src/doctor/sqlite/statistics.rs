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
    if has_statistics > 0 || size < LARGE {
        return Ok(Vec::new());
    }
    let what = format!("it was never analyzed, and has {}", bytes(size));
    let why = "the planner guesses which index is the better one";
    Ok(vec![
        Finding::note(NAME, what, why).run(format!("sqlite3 {} 'PRAGMA optimize'", shell(&visit.seat.name))),
    ])
}
