//! The output of the demo.

use anyhow::Result;
use serde_json::json;
use tallybook::Database;
use tallybook::book::BookCheck;

use super::Shown;
use super::measure::Measured;
use super::n_plus_one::NPlusOne;
use super::reads::Reading;
use super::recording::Scene;
use crate::output::{self, micros, thousands};

const NUMBERS: [usize; 5] = [1, 2, 3, 4, 5];

pub(super) fn json(db: &Database, shown: &Shown) -> Result<()> {
    let Shown { reads, n_plus_one, scene } = shown;
    output::json(&json!({
        "dialect": db.dialect().to_string(), "reads": reads, "n_plus_one": n_plus_one, "recording": scene,
    }))?;
    Ok(())
}

pub(super) fn print(db: &Database, shown: &Shown) -> Result<()> {
    let Shown { reads, n_plus_one, scene } = shown;
    output::line("\nReads, one task, one session: rows, statements and round trips per call")?;
    let rows = reads.iter().flat_map(rows).collect();
    output::table(
        &["method", "rows", "statements", "round trips", "p50", "p99", "index used"],
        rows,
        &NUMBERS,
    )?;

    let NPlusOne { naive, eager, findings } = n_plus_one;
    output::line("\nThe same read of trades with their executions: N+1 loop and eager loading")?;
    let rows = vec![
        [vec!["a statement for each trade".to_owned()], figures(naive)].concat(),
        [vec!["get_by_portfolio_with_executions".to_owned()], figures(eager)].concat(),
    ];
    output::table(&["variant", "rows", "statements", "round trips", "p50", "p99"], rows, &NUMBERS)?;
    output::line(format!(
        "Eager loading issues {} fewer statements and is {:.1} times as fast.",
        naive.statements.saturating_sub(eager.statements),
        naive.p50_us as f64 / eager.p50_us.max(1) as f64
    ))?;
    output::line("\nWhat the monitor says about the N+1 loop")?;
    for finding in findings {
        output::line(finding.to_string())?;
    }
    if let Some(scene) = scene {
        print_scene(scene)?;
    }
    print_next(db)
}

fn print_scene(scene: &Scene) -> Result<()> {
    output::line(format!(
        "\nRecording fills: {} tasks at once, {} orders in {} portfolios; the fills come out of order, and some twice",
        scene.tasks,
        scene.orders,
        scene.portfolios.len()
    ))?;
    output::line(format!(
        "Recorded {} fills in {:.1} s, {} fills/s. {} came again and changed nothing.",
        thousands(scene.fills),
        scene.seconds,
        thousands(scene.fills_per_second()),
        thousands(scene.repeats)
    ))?;
    let BookCheck { executions, trades, positions, discrepancies, .. } = scene.check;
    let folded = format!(
        "Folded again: {} executions of {} orders in {} positions",
        thousands(executions),
        thousands(trades),
        thousands(positions)
    );
    output::line(match (discrepancies, scene.is_balanced()) {
        (0, _) => format!("{folded}. They balance to the last digit."),
        (_, true) => {
            let found = thousands(discrepancies);
            format!(
                "{folded}. The book had {found} differences before, and has no more; see: tallybook check book"
            )
        }
        (_, false) => format!("{folded}. They do not balance: {} differences", thousands(discrepancies)),
    })?;
    Ok(())
}

fn figures(measured: &Measured) -> Vec<String> {
    vec![
        thousands(measured.rows),
        thousands(measured.statements),
        thousands(measured.round_trips),
        micros(measured.p50_us),
        micros(measured.p99_us),
    ]
}

/// Formats a reading, with a row for each further index, so that the table stays narrow.
fn rows(reading: &Reading) -> Vec<Vec<String>> {
    let indexes = reading.index.replace("INTEGER PRIMARY KEY", "primary key");
    let mut begin = [vec![reading.name.to_owned()], figures(&reading.measured)].concat();
    let row = |index: &str| {
        let row = [begin.clone(), vec![index.to_owned()]].concat();
        begin.fill(String::new());
        row
    };
    indexes.split(", ").map(row).collect()
}

/// Prints commands to run next, with the path by which this program was called, so that they work where they are
/// printed.
fn print_next(db: &Database) -> Result<()> {
    let program = std::env::args().next().unwrap_or_else(|| "tallybook".to_owned());
    let url = &db.settings().database_url;
    output::line(format!(
        "\nNext\n  \
         {program} migrate history --database {url}\n  \
         {program} export trades --database {url} | head\n  \
         {program} demo --database postgresql://user:password@host/empty_database\n  \
         {program} --help"
    ))?;
    Ok(())
}
