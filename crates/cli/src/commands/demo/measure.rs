//! Counts and times of repeated reads.

use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;
use tallybook::Counts;

/// Averages of a read for each run, and its time.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Measured {
    /// Average number of rows.
    pub(super) rows: u64,
    pub(super) statements: u64,
    pub(super) round_trips: u64,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
}

/// Collects runs.
pub(super) struct Meter {
    times: Histogram<u64>,
    total: Counts,
}

impl Meter {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { times: Histogram::new(3)?, total: Counts::default() })
    }

    /// Adds a run: its time, and the counts of its session before and after.
    pub(super) fn add(&mut self, took: Duration, before: Counts, after: Counts) -> Result<()> {
        self.times.record(took.as_micros() as u64)?;
        self.total.rows += after.rows - before.rows;
        self.total.statements += after.statements - before.statements;
        self.total.round_trips += after.round_trips - before.round_trips;
        Ok(())
    }

    pub(super) fn finish(&self) -> Measured {
        let runs = self.times.len().max(1);
        let per_run = |total: u64| (total + runs / 2) / runs;
        Measured {
            rows: per_run(self.total.rows),
            statements: per_run(self.total.statements),
            round_trips: per_run(self.total.round_trips),
            p50_us: self.times.value_at_quantile(0.5),
            p99_us: self.times.value_at_quantile(0.99),
        }
    }
}
