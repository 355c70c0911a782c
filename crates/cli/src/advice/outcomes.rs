//! Prints promise and gain of earlier advice.

use std::io;

use tallybook_advise::{Outcome, WorkUnit};

use super::figures::{percent, time, unit, work};
use crate::output;

pub(super) fn print(outcomes: &[Outcome], of: WorkUnit) -> io::Result<()> {
    output::line(format!("\nPromise and gain, in {} of a call and mean times of the program", unit(of)))?;
    if outcomes.is_empty() {
        return output::line("  the earlier advice had no index to add");
    }
    let header = ["index", "before", "promised", "now", "promised", "gained", "time before", "time now"];
    output::table(&header, outcomes.iter().map(row).collect(), &[1, 2, 3, 4, 5, 6, 7])
}

fn row(outcome: &Outcome) -> Vec<String> {
    let not_seen = || "not seen".to_owned();
    vec![
        outcome.index.clone(),
        work(outcome.before),
        work(outcome.promised),
        outcome.now.map_or_else(not_seen, work),
        percent(outcome.promised_saving()),
        outcome.saving().map_or_else(not_seen, percent),
        time(outcome.time_before),
        outcome.time_now.map_or_else(|| "not run since".to_owned(), time),
    ]
}
