//! What the demo prints.

use anyhow::Result;
use serde_json::json;
use tallybook::Database;

use super::measure::Measured;
use super::n_plus_one::NPlusOne;
use super::reads::Reading;
use crate::output::{self, micros, thousands};

const NUMBERS: [usize; 5] = [1, 2, 3, 4, 5];

pub(super) fn json(db: &Database, reads: &[Reading], n_plus_one: &NPlusOne) -> Result<()> {
    output::json(&json!({ "engine": db.engine().to_string(), "reads": reads, "n_plus_one": n_plus_one }))?;
    Ok(())
}

pub(super) fn print(db: &Database, reads: &[Reading], n_plus_one: &NPlusOne) -> Result<()> {
    output::line("\nReads, one task, one session: rows, statements and round trips per call")?;
    let rows = reads
        .iter()
        .map(|reading| {
            [vec![reading.name.to_owned()], figures(&reading.measured), vec![index(reading)]].concat()
        })
        .collect();
    output::table(
        &["method", "rows", "statements", "round trips", "p50", "p99", "index used"],
        rows,
        &NUMBERS,
    )?;

    let NPlusOne { naive, eager, findings } = n_plus_one;
    output::line("\nThe same read of trades with their executions, the naive way (N+1) and the eager one")?;
    let rows = vec![
        [vec!["a statement for each trade".to_owned()], figures(naive)].concat(),
        [vec!["get_by_portfolio_with_executions".to_owned()], figures(eager)].concat(),
    ];
    output::table(&["way", "rows", "statements", "round trips", "p50", "p99"], rows, &NUMBERS)?;
    output::line(format!(
        "The eager way needs {} statements less and is {:.1} times as fast.",
        naive.statements.saturating_sub(eager.statements),
        naive.p50_us as f64 / eager.p50_us.max(1) as f64
    ))?;
    output::line("\nWhat the monitor says of the naive way")?;
    for finding in findings {
        output::line(finding.to_string())?;
    }
    print_next(db)
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

/// One index a line, so that the table stays narrow.
fn index(reading: &Reading) -> String {
    reading.index.replace("INTEGER PRIMARY KEY", "primary key").replace(", ", "\n")
}

/// What to type next: with the program as it was called, so that the lines work where they are printed.
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
