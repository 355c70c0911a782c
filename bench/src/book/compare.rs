//! One work on one engine, by all peers in turns.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::backends::Backends;
use super::contestant::{Contestant, Turn};
use super::cost::Cost;
use super::ledger::{Ledger, Written};
use super::options::Plan;
use super::recording::Turns;
use super::target::Target;
use super::work::Work;
use crate::tally::Tally;

/// The least turn where an operation takes milliseconds.
const DISTANT_SLICE: Duration = Duration::from_millis(200);

/// Some work by so many tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Case {
    pub(super) target: Target,
    pub(super) work: Work,
    pub(super) tasks: usize,
}

/// One peer in one case.
#[derive(Debug, Serialize)]
pub(super) struct Score {
    pub(super) peer: &'static str,
    /// Operations per second.
    pub(super) speed: Tally,
    /// Tallybook's operations per second over this peer's, round by round.
    pub(super) ratio: Tally,
    /// The processor time of an operation. `None` if nobody measured it.
    pub(super) cost: Option<Cost>,
}

/// All peers in one case.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    pub(super) case: Case,
    /// Tallybook first.
    pub(super) scores: Vec<Score>,
}

/// What one peer needs of the allocator for a read.
#[derive(Debug, Serialize)]
pub(super) struct Allocated {
    pub(super) target: Target,
    pub(super) work: Work,
    pub(super) peer: &'static str,
    /// Allocations per row, counted over whole operations.
    pub(super) per_row: f64,
    /// Texts per row that the peer's types own.
    pub(super) texts_per_row: f64,
    /// Allocations of a whole answer, on average.
    pub(super) per_answer: f64,
    /// The bytes of an answer, on average.
    pub(super) answer_bytes: f64,
    /// The most bytes that were there at once while one was read, on average; the answer is in it.
    pub(super) peak_bytes: f64,
}

/// Refuses to go on unless everyone reads the same.
pub(super) async fn check(target: Target, work: Work, all: &[Arc<dyn Contestant>]) -> Result<u64> {
    let expected = all[0].check(work).await?.context("Tallybook reads no rows")?;
    for contestant in all.iter().filter(|contestant| contestant.does(work)) {
        let name = contestant.name();
        let sum =
            contestant.check(work).await.with_context(|| format!("{name} on {target}: {}", work.title()))?;
        let Some(sum) = sum else { continue };
        ensure!(
            (sum.sum, sum.rows) == (expected.sum, expected.rows),
            "{target}, {}: {name} read {} rows with the checksum {:016x}, Tallybook {} with {:016x}",
            work.title(),
            sum.rows,
            sum.sum,
            expected.rows,
            expected.sum
        );
    }
    Ok(expected.rows)
}

/// Refuses to go on unless everyone writes the same; returns what it is.
pub(super) async fn check_written(
    target: Target,
    ledger: &mut Ledger,
    questions: usize,
    all: &[Arc<dyn Contestant>],
) -> Result<Written> {
    let mut expected = None;
    for contestant in all.iter().filter(|contestant| contestant.does(Work::Write)) {
        let name = contestant.name();
        ledger.mark().await?;
        contestant.check(Work::Write).await.with_context(|| format!("{name} on {target}"))?;
        let own = ledger.written().await.with_context(|| format!("what {name} wrote on {target}"))?;
        ensure!(
            own.sums.len() == questions && own.orphans == 0,
            "{name} on {target} wrote {} of {questions} trades, and executions of {} unknown ones",
            own.sums.len(),
            own.orphans
        );
        let expected = expected.get_or_insert_with(|| own.sums.clone());
        ensure!(own.sums == *expected, "{name} on {target} wrote other rows than Tallybook");
    }
    ledger.mark().await?;
    Ok(Written { sums: expected.context("nobody writes")?, orphans: 0 })
}

/// Refuses to go on if in their turns anyone wrote anything but that; returns how many trades were written.
pub(super) async fn check_turns(case: Case, ledger: &mut Ledger, expected: &Written) -> Result<usize> {
    let written = ledger.written().await?;
    ensure!(written.repeats(expected), "{case}: not all rows are those that everyone wrote before");
    ledger.mark().await?;
    Ok(written.sums.len())
}

/// Lets everyone work in turns; who begins changes from round to round.
pub(super) async fn measure(
    case: Case,
    plan: &Plan,
    all: &[Arc<dyn Contestant>],
    backends: Option<&Backends>,
) -> Result<Comparison> {
    measure_around(case, plan, all, backends, None).await
}

/// As [`measure`], where fills are recorded.
pub(super) async fn measure_recording(
    case: Case,
    plan: &Plan,
    all: &[Arc<dyn Contestant>],
    backends: Option<&Backends>,
    turns: &mut Turns<'_>,
) -> Result<Comparison> {
    measure_around(case, plan, all, backends, Some(turns)).await
}

async fn measure_around(
    case: Case,
    plan: &Plan,
    all: &[Arc<dyn Contestant>],
    backends: Option<&Backends>,
    mut recorded: Option<&mut Turns<'_>>,
) -> Result<Comparison> {
    let all: Vec<_> = all.iter().filter(|contestant| contestant.does(case.work)).collect();
    let slice = if case.work == Work::Distant { plan.slice.max(DISTANT_SLICE) } else { plan.slice };
    let mut turns = vec![Vec::new(); all.len()];
    // A first round warms everyone up and does not count.
    for round in 0..=plan.rounds as usize {
        for turn in 0..all.len() {
            let index = (round + turn) % all.len();
            let name = all[index].name();
            if let Some(recorded) = &recorded {
                recorded.begin().await?;
            }
            let turn = watched(&**all[index], case, slice, backends).await;
            let turn = turn.with_context(|| format!("{name}, {case}"))?;
            if let Some(recorded) = &mut recorded {
                recorded.end(name).await.with_context(|| format!("{name}, {case}"))?;
            }
            if round > 0 {
                turns[index].push(turn);
            }
        }
    }
    let speeds = |turns: &[Turn]| turns.iter().map(Turn::speed).collect::<Vec<_>>();
    let tallybook = speeds(&turns[0]);
    let scores = all.iter().zip(&turns).map(|(contestant, own)| Score {
        peer: contestant.name(),
        speed: Tally::of(speeds(own)),
        ratio: Tally::of_ratio(&tallybook, &speeds(own)),
        cost: Some(Cost::of(&turns[0], own)),
    });
    Ok(Comparison { case, scores: scores.collect() })
}

/// A turn, and the processor time of the backends in it.
async fn watched(
    contestant: &dyn Contestant,
    case: Case,
    slice: Duration,
    backends: Option<&Backends>,
) -> Result<Turn> {
    let Some(backends) = backends else {
        let mut turn = contestant.slice(case.work, case.tasks, slice).await?;
        match case.target {
            Target::Sqlite => turn.server = Some(Duration::ZERO),
            // The network runs in this process too, so that neither side's time can be told.
            Target::Postgres => turn.client = None,
        }
        return Ok(turn);
    };
    let before = backends.read().await?;
    let turn = contestant.slice(case.work, case.tasks, slice).await?;
    let server = backends.read().await?.since(&before);
    Ok(Turn { server: turn.server.or(server), ..turn })
}

/// Counts what each peer allocates for a read.
pub(super) async fn allocated(
    target: Target,
    work: Work,
    questions: usize,
    all: &[Arc<dyn Contestant>],
) -> Result<Vec<Allocated>> {
    let mut counts = Vec::new();
    for contestant in all.iter().filter(|contestant| contestant.does(work)) {
        let (needs, sum) = (contestant.needs(work).await?, contestant.check(work).await?);
        if let (Some(needs), Some(sum)) = (needs, sum) {
            counts.push(Allocated {
                target,
                work,
                peer: contestant.name(),
                per_row: needs.per_row,
                texts_per_row: sum.texts as f64 / sum.rows as f64,
                per_answer: needs.per_answer,
                answer_bytes: needs.answer as f64 / questions as f64,
                peak_bytes: needs.peak as f64 / questions as f64,
            });
        }
    }
    Ok(counts)
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, work, tasks } = self;
        let tasks = if *tasks == 1 { "1 task".to_owned() } else { format!("{tasks} tasks") };
        write!(f, "{target}, {}, {tasks}", work.title())
    }
}
