//! `tallybook bench indexes`: each indexed read with and without its index.

mod at_size;
mod catalog;
mod cost;
mod growth;
mod measure;
mod read;
mod report;
mod samples;
mod verdict;

use anyhow::Result;
use at_size::AtSize;
use report::Report;
use tallybook::{MonitorMode, Settings};

use crate::args::Indexes;
use crate::database::Endpoint;
use crate::interrupt::Interrupt;
use crate::output;
use crate::temp_database::TempDatabase;

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
        let measured =
            scratch.run(&mut interrupt, async |db| Box::pin(AtSize::measure(db, trades, args)).await);
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
