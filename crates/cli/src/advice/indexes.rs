//! Prints the indexes to add.

use std::io;

use tallybook::Escaped;
use tallybook_advise::{Advice, AdvisedIndex, StatementGain};

use super::figures::{percent, size, statement, time, unit, work};
use crate::output;

pub(super) fn print(advice: &Advice) -> io::Result<()> {
    if advice.add.is_empty() {
        return Ok(());
    }
    output::line("\nIndexes to add")?;
    let header = ["index", "on", "size", "saves", "of work", "an insert takes", "rows written"];
    output::table(&header, advice.add.iter().map(row).collect(), &[2, 3, 4, 5, 6])?;
    for index in &advice.add {
        output::line(format!("\n{}", Escaped(&index.name)))?;
        output::line(format!("  SQL: {}", Escaped(&index.sql)))?;
        index.gains.iter().try_for_each(|gain| print_gain(gain, advice))?;
    }
    Ok(())
}

fn row(index: &AdvisedIndex) -> Vec<String> {
    let best = index.gains.iter().map(StatementGain::saving).fold(0.0, f64::max);
    let keys: Vec<_> = index
        .keys
        .iter()
        .map(|key| format!("{}{}", key.column, if key.is_desc { " DESC" } else { "" }))
        .collect();
    let filter = index.filter.as_ref().map(|filter| format!(" WHERE {filter}")).unwrap_or_default();
    let longer = match index.insert_with - index.insert_without {
        longer if longer > 0.0 => format!("{} longer", time(longer)),
        _ => "no longer".to_owned(),
    };
    vec![
        index.name.clone(),
        format!("{} ({}){filter}", index.table, keys.join(", ")),
        size(index.bytes),
        if index.saved > 0.0 { time(index.saved) } else { "not run".to_owned() },
        percent(best),
        longer,
        output::thousands(index.writes),
    ]
}

fn print_gain(gain: &StatementGain, advice: &Advice) -> io::Result<()> {
    let place = gain.at.as_ref().map(|at| format!(", at {at}")).unwrap_or_default();
    output::line(format!(
        "  {} calls{place}: {}",
        output::thousands(gain.calls),
        Escaped(&statement(&gain.statement))
    ))?;
    let mut figures = vec![format!("{} {} → {}", unit(advice.unit), work(gain.before), work(gain.after))];
    let pairs = [
        ("rows scanned", gain.full_scan_steps),
        ("sorts", gain.sorts),
        ("rows of automatic indexes", gain.automatic_index_rows),
    ];
    for (name, pair) in pairs {
        if let Some([before, after]) = pair.filter(|[before, after]| before != after) {
            figures.push(format!(
                "{name} {} → {}",
                output::thousands(before as u64),
                output::thousands(after as u64)
            ));
        }
    }
    figures.push(match gain.parameter_sets {
        0 => "planned for unknown parameters, not run".to_owned(),
        sets => {
            let sets =
                if sets == 1 { "one parameter set".to_owned() } else { format!("{sets} parameter sets") };
            format!("{} → {}, {sets}", time(gain.time_before), time(gain.time_after))
        }
    });
    output::line(format!("    {}", figures.join("; ")))
}
