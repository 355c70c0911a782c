//! Times of the reads with and without their index.

use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::ProgressBar;
use serde::Serialize;
use tallybook::Database;
use tallybook::{Explainer, Plan, WriteSession, execute, params};

use super::read::{READS, Read};
use super::samples::Samples;

/// Maximum number of reads for each side of a round, and the time after which no further one begins.
const READS_PER_ROUND: usize = 40;
const TIME_PER_ROUND: Duration = Duration::from_millis(300);

/// A read with and without its index.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Measured {
    pub(super) read: &'static str,
    pub(super) index: &'static str,
    /// Average number of rows returned.
    pub(super) rows: f64,
    pub(super) with: Side,
    pub(super) without: Side,
}

/// One side: with or without the index.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Side {
    /// Median of the rounds' medians, in microseconds.
    pub(super) median_us: f64,
    /// The indexes in the database's own plan.
    pub(super) indexes_used: Vec<String>,
    /// Pages touched: PostgreSQL's shared buffers. `None` on SQLite, which does not count them.
    pub(super) pages: Option<u64>,
}

/// Alternates between both sides of each read, so that both see the same machine load.
pub(super) async fn measure(
    db: &Database,
    samples: &Samples,
    rounds: u32,
    bar: &ProgressBar,
) -> Result<Vec<Measured>> {
    let mut measured = Vec::with_capacity(READS.len());
    for read in READS {
        measured.push(measure_read(db, read, samples, rounds, bar).await?);
    }
    Ok(measured)
}

async fn measure_read(
    db: &Database,
    read: Read,
    samples: &Samples,
    rounds: u32,
    bar: &ProgressBar,
) -> Result<Measured> {
    let (mut with, mut without) = (Rounds::default(), Rounds::default());
    for _ in 0..rounds {
        let mut session = db.begin().await?;
        with.add(&mut session, read, samples).await?;
        session.run(execute(read.index().drop_statement(), params![])).await?;
        without.add(&mut session, read, samples).await?;
        session.roll_back().await?;
        bar.inc(1);
    }
    Ok(Measured {
        read: read.name(),
        index: read.index().name(),
        rows: with.rows as f64 / with.reads.max(1) as f64,
        with: with.finish(),
        without: without.finish(),
    })
}

/// The rounds of one side.
#[derive(Default)]
struct Rounds {
    medians_us: Vec<f64>,
    plan: Plan,
    rows: u64,
    reads: u64,
}

impl Rounds {
    async fn add(&mut self, session: &mut WriteSession, read: Read, samples: &Samples) -> Result<()> {
        // Also warms up: after a schema change the first read prepares its statement again.
        let mut explainer = Explainer::analyzing(session);
        read.run(&mut explainer, samples, 0).await?;
        self.plan = explainer.plan().clone();

        let begun = Instant::now();
        let rows = session.counts().rows;
        let mut times = Vec::with_capacity(READS_PER_ROUND);
        while times.len() < READS_PER_ROUND && (times.is_empty() || begun.elapsed() < TIME_PER_ROUND) {
            let start = Instant::now();
            read.run(session, samples, times.len()).await?;
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
        self.rows += session.counts().rows - rows;
        self.reads += times.len() as u64;
        self.medians_us.push(median(times));
        Ok(())
    }

    fn finish(self) -> Side {
        let mut indexes_used = self.plan.indexes;
        indexes_used.dedup();
        Side { median_us: median(self.medians_us), indexes_used, pages: self.plan.pages }
    }
}

/// Returns the median; 0 of no values.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        count if count.is_multiple_of(2) => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle_one_or_between_the_middle_two() {
        assert_eq!(median(vec![3.0, 1.0, 100.0]), 3.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 100.0]), 3.0);
        assert_eq!(median(vec![]), 0.0);
    }
}
