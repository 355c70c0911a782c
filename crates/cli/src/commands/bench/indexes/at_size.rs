//! The measurements at one size of the book.

use anyhow::Result;
use indicatif::ProgressBar;
use serde::Serialize;
use tallybook::Database;
use tallybook::book::upgrade;

use super::catalog::INDEXES;
use super::cost::{self, Cost};
use super::measure::{self, Measured};
use super::read::READS;
use super::samples::{self, TRADES_PER_PORTFOLIO};
use crate::args::{Indexes, Size};
use crate::{output, progress, seed};

/// The measurements at one size.
#[derive(Debug, Serialize)]
pub(super) struct AtSize {
    pub(super) trades: u32,
    pub(super) portfolios: u32,
    pub(super) reads: Vec<Measured>,
    pub(super) indexes: Vec<Cost>,
}

impl AtSize {
    /// Makes a book of so many trades, and measures its reads and indexes.
    pub(super) async fn measure(db: &Database, trades: u32, args: &Indexes) -> Result<Self> {
        let portfolios = trades / TRADES_PER_PORTFOLIO;
        upgrade(db).await?;
        let bar = progress::items("seeding", trades.into());
        seed::load(db, Size { portfolios, trades, seed: args.seed }, &bar).await?;
        bar.finish_and_clear();
        let samples = samples::take(db).await?;
        let bar = bar_of(trades, u64::from(args.rounds) * (READS.len() + INDEXES.len()) as u64);
        let reads = measure::measure(db, &samples, args.rounds, &bar).await?;
        let indexes = cost::measure(db, &samples, args, &bar).await?;
        bar.finish_and_clear();
        Ok(Self { trades, portfolios, reads, indexes })
    }
}

fn bar_of(trades: u32, rounds: u64) -> ProgressBar {
    let bar = progress::items("", rounds);
    bar.set_message(format!("measuring {} trades", output::thousands(trades.into())));
    bar
}
