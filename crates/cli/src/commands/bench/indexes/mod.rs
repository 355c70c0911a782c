//! `tallybook bench indexes`: each indexed read with and without its index.

mod catalog;
mod cost;
mod growth;
mod measure;
mod read;
mod report;
mod samples;
mod verdict;

use anyhow::Result;
use cost::Cost;
use indicatif::ProgressBar;
use measure::Measured;
use report::Report;
use tallybook::MonitorMode;
use tallybook::book::upgrade;
use tallybook::{Database, Settings};

use crate::args::{Indexes, Size};
use crate::database::Endpoint;
use crate::interrupt::Interrupt;
use crate::temp_database::TempDatabase;
use crate::{output, progress, seed};

/// Trades of a portfolio at each size, so that a read returns the same number of rows at each.
const TRADES_PER_PORTFOLIO: u32 = 200;

/// The measurements at one size.
#[derive(Debug, serde::Serialize)]
struct AtSize {
    trades: u32,
    portfolios: u32,
    reads: Vec<Measured>,
    indexes: Vec<Cost>,
}

pub(super) async fn run(target: &Endpoint, args: &Indexes, as_json: bool) -> Result<()> {
    let mut sizes = args.sizes.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let settings = settings()?;
    let mut interrupt = Interrupt::new()?;
    let mut report = Report::new(args);
    for trades in sizes {
        let scratch = TempDatabase::create(target.named(), &settings).await?;
        report.dialect = scratch.db().dialect().to_string();
        // Disables the monitor: a scratch copy needs none.
        let measured = scratch.run(&mut interrupt, async |db| Box::pin(at_size(db, trades, args)).await);
        report.add(measured.await?);
    }
    report.conclude();
    if as_json { Ok(output::json(&report)?) } else { report.print() }
}

/// Nobody watches a scratch copy.
fn settings() -> Result<Settings> {
    let mut settings = Settings::from_env()?;
    settings.monitor.mode = MonitorMode::Off;
    settings.monitor.socket = None;
    Ok(settings)
}

async fn at_size(db: &Database, trades: u32, args: &Indexes) -> Result<AtSize> {
    let portfolios = trades / TRADES_PER_PORTFOLIO;
    upgrade(db).await?;
    let bar = progress::items("seeding", trades.into());
    seed::load(db, Size { portfolios, trades, seed: args.seed }, &bar).await?;
    bar.finish_and_clear();
    let samples = samples::take(db).await?;
    let bar = bar_of(trades, u64::from(args.rounds) * (read::READS.len() + catalog::INDEXES.len()) as u64);
    let reads = measure::measure(db, &samples, args.rounds, &bar).await?;
    let indexes = cost::measure(db, &samples, args, &bar).await?;
    bar.finish_and_clear();
    Ok(AtSize { trades, portfolios, reads, indexes })
}

fn bar_of(trades: u32, rounds: u64) -> ProgressBar {
    let bar = progress::items("", rounds);
    bar.set_message(format!("measuring {} trades", output::thousands(trades.into())));
    bar
}
