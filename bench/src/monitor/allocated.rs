//! Allocations of a statement, once everything is warm.

use anyhow::Result;
use tallybook::Database;

use super::case::Case;
use super::mode::Mode;
use super::slice::{self, Until};
use crate::allocations::Count;

/// A multiple of the messages in a block of the channels, and enough for all that is done only now and then.
const STATEMENTS: u32 = 31 * 100;
/// The least counts: now and then something else allocates too, such as a timer.
const TRIALS: u32 = 3;

/// Allocations of a statement in all threads, by one task: what many share they have one after the other.
pub(super) async fn measure(case: Case, mode: Mode, database: &Database) -> Result<f64> {
    let case = Case { tasks: 1, ..case };
    let until = Until::Taken(STATEMENTS / case.work.statements());
    slice::run(case, mode, database, until).await?;
    let mut least = u64::MAX;
    for _ in 0..TRIALS {
        let count = Count::begin();
        slice::run(case, mode, database, until).await?;
        least = least.min(count.so_far().made);
    }
    Ok(least as f64 / f64::from(STATEMENTS))
}
