//! Prints the indexes to drop, and the tables to analyze.

use std::io;

use tallybook::Escaped;
use tallybook_advise::{Advice, DropReason, IndexToDrop};

use crate::output;

pub(super) fn print(advice: &Advice) -> io::Result<()> {
    if !advice.drop.is_empty() {
        output::line("\nIndexes to drop")?;
        advice.drop.iter().try_for_each(print_one)?;
    }
    if !advice.stale.is_empty() {
        output::line("\nOld statistics, which mislead the planner; the scratch copy had fresh ones")?;
    }
    for stale in &advice.stale {
        output::line(format!("  {}: {}", Escaped(&stale.table), Escaped(&stale.reason)))?;
        output::line(format!("    SQL: {}", Escaped(&stale.sql)))?;
    }
    Ok(())
}

fn print_one(index: &IndexToDrop) -> io::Result<()> {
    let other = index.other.as_deref().unwrap_or_default();
    let reason = match index.reason {
        DropReason::Duplicate => format!("a duplicate of {other}"),
        DropReason::Prefix => format!("a prefix of {other}"),
        _ => format!("unused: {}", index.watched.as_deref().unwrap_or_default()),
    };
    output::line(format!("  {} on {}: {}", Escaped(&index.name), Escaped(&index.table), Escaped(&reason)))?;
    output::line(format!("    SQL:  {}", Escaped(&index.sql)))?;
    output::line(format!("    back: {}", Escaped(&index.recreate)))
}
