//! What a mode costs beside "off".

use anyhow::Result;
use serde::Serialize;

use super::allocated;
use super::case::Case;
use super::mode::{Contestants, Mode};
use super::options::Plan;
use super::slice::{self, Slice, Until};
use crate::tally::Tally;

/// Rounds after which the databases are opened again: what a connection has by chance, such as where its thread
/// and its memory are, must not pass for a mode's.
const BLOCK: usize = 5;
/// Turns of each task before a block.
const WARM_UP: u32 = 50;

/// A statement in one case and mode. Compared is round by round.
#[derive(Debug, Serialize)]
pub(super) struct Cost {
    #[serde(serialize_with = "as_text")]
    pub(super) case: Case,
    pub(super) mode: Mode,
    /// Nanoseconds until the next one was done.
    pub(super) elapsed: Tally,
    /// Of these, more than with "off".
    pub(super) more: Tally,
    /// Nanoseconds of the processors, more than with "off".
    pub(super) more_processor: Tally,
    /// Throughput as a part of that of "off".
    pub(super) kept: Tally,
    /// By one task.
    pub(super) allocations: f64,
    /// Of these, more than with "off".
    pub(super) more_allocations: f64,
    /// What it took for loops or redundant reads: there are none.
    pub(super) findings: usize,
}

/// What was measured of one mode.
struct Series {
    mode: Mode,
    elapsed: Vec<f64>,
    processor: Vec<f64>,
    allocations: f64,
    findings: usize,
}

/// The cost of every mode, "off" first.
pub(super) async fn measure(url: &str, case: Case, plan: &Plan) -> Result<Vec<Cost>> {
    let mut all: Vec<Series> = Mode::ALL.map(Series::new).into();
    let rounds: Vec<u32> = (0..plan.rounds).collect();
    for block in rounds.chunks(BLOCK) {
        let contestants = Contestants::open(url).await?;
        for (mode, database) in contestants.in_order_of(0) {
            slice::run(case, mode, database, Until::Taken(WARM_UP)).await?;
        }
        for round in block {
            for (mode, database) in contestants.in_order_of(*round as usize) {
                let slice = slice::timed(case, mode, database, Until::Passed(plan.slice)).await?;
                all.iter_mut().filter(|series| series.mode == mode).for_each(|series| series.add(slice));
            }
        }
        contestants.check()?;
    }
    let contestants = Contestants::open(url).await?;
    for series in &mut all {
        let database = contestants.database(series.mode);
        series.allocations = allocated::measure(case, series.mode, database).await?;
        series.findings = database.findings().len();
    }
    Ok(all.iter().map(|series| Cost::of(case, series, &all[0])).collect())
}

impl Series {
    fn new(mode: Mode) -> Self {
        Self { mode, elapsed: Vec::new(), processor: Vec::new(), allocations: 0.0, findings: 0 }
    }

    fn add(&mut self, slice: Slice) {
        self.elapsed.push(slice.elapsed);
        self.processor.push(slice.processor);
    }
}

impl Cost {
    fn of(case: Case, own: &Series, off: &Series) -> Self {
        Self {
            case,
            mode: own.mode,
            elapsed: Tally::of(own.elapsed.iter().copied()),
            more: Tally::of_difference(&own.elapsed, &off.elapsed),
            more_processor: Tally::of_difference(&own.processor, &off.processor),
            kept: Tally::of_ratio(&off.elapsed, &own.elapsed),
            allocations: own.allocations,
            more_allocations: own.allocations - off.allocations,
            findings: own.findings,
        }
    }
}

fn as_text<S: serde::Serializer>(case: &Case, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(case)
}
