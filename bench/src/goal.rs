//! What Tallybook set out to reach.

use serde::Serialize;

use crate::table::table;

/// A promise and whether this run kept it.
#[derive(Debug, Serialize)]
pub(crate) struct Goal {
    pub(crate) promise: &'static str,
    pub(crate) measured: String,
    pub(crate) kept: bool,
}

/// The goals with their verdicts, as a table.
pub(crate) fn text(goals: &[Goal]) -> String {
    let rows = goals.iter().map(|goal| {
        let verdict = if goal.kept { "✓ kept" } else { "✗ FALLS SHORT" };
        [goal.promise.to_owned(), goal.measured.clone(), verdict.to_owned()]
    });
    table(["promise", "measured", "verdict"], rows)
}

/// Prints the goals with their verdicts.
pub(crate) fn print(goals: &[Goal]) {
    println!("\n{}", text(goals));
}
