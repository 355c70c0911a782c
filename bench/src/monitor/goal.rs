//! What the monitor set out to cost at most.

use super::case::{Case, Target};
use super::cost::Cost;
use super::memory::Memory;
use super::mode::Mode;
use super::work::Work;
use crate::goal::Goal;
use crate::table::{bytes, time};

const MAX_NANOSECONDS: f64 = 1_000.0;
const MIN_KEPT: f64 = 0.99;
/// What is allocated a few times in seconds, by a timer, is not allocated by statements.
const NONE: f64 = 0.001;
const MAX_BYTES: i64 = 8 << 20;

/// Each on its worst case.
pub(super) fn goals(costs: &[Cost], memory: &Memory) -> Vec<Goal> {
    let full: Vec<&Cost> = costs.iter().filter(|cost| cost.mode == Mode::Full).collect();
    let (point_reads, eager_reads): (Vec<&Cost>, Vec<&Cost>) =
        full.iter().partition(|cost| cost.case.work != Work::EagerRead);
    let again = |case| costs.iter().find(|cost| cost.mode == Mode::OffAgain && cost.case == case);
    let mut goals = Vec::new();
    goals.extend(nanoseconds(&point_reads, again, "full: at most 1,000 ns a point read"));
    goals.extend(nanoseconds(&eager_reads, again, "full: at most 1,000 ns a statement of 100 rows"));
    if let Some(worst) = most(&full, |cost| cost.more_allocations) {
        goals.push(Goal {
            promise: "full: no allocation a statement",
            measured: format!("{:.4}: {}", worst.more_allocations, worst.case),
            kept: worst.more_allocations < NONE,
        });
    }
    goals.extend(throughput(
        &point_reads,
        again,
        Target::Sqlite,
        "full: at least 0.99 of the point reads on SQLite",
    ));
    goals.extend(throughput(
        &point_reads,
        again,
        Target::Postgres,
        "full: at least 0.99 of the point reads on PostgreSQL",
    ));
    goals.push(Goal {
        promise: "full: less than 8 MiB, however many statements there are",
        measured: format!("{} after {}", bytes(memory.most()), memory.statements),
        kept: memory.most() < MAX_BYTES,
    });
    goals
}

fn nanoseconds<'c>(
    costs: &[&'c Cost],
    again: impl Fn(Case) -> Option<&'c Cost>,
    promise: &'static str,
) -> Option<Goal> {
    let worst = most(costs, |cost| cost.more.median)?;
    let [low, high] = worst.more.between;
    Some(Goal {
        promise,
        measured: format!(
            "{} ({} to {}; off, again: {}): {}",
            time(worst.more.median),
            time(low),
            time(high),
            time(again(worst.case)?.more.median),
            worst.case
        ),
        kept: worst.more.median <= MAX_NANOSECONDS,
    })
}

fn throughput<'c>(
    point_reads: &[&'c Cost],
    again: impl Fn(Case) -> Option<&'c Cost>,
    target: Target,
    promise: &'static str,
) -> Option<Goal> {
    let on_target: Vec<&Cost> =
        point_reads.iter().filter(|cost| cost.case.target == target).copied().collect();
    let worst = most(&on_target, |cost| -cost.kept.median)?;
    let [low, high] = worst.kept.between;
    Some(Goal {
        promise,
        measured: format!(
            "{:.3} ({low:.3} to {high:.3}; off, again: {:.3}): {}",
            worst.kept.median,
            again(worst.case)?.kept.median,
            worst.case
        ),
        kept: worst.kept.median >= MIN_KEPT,
    })
}

fn most<'c>(costs: &[&'c Cost], figure: impl Fn(&Cost) -> f64) -> Option<&'c Cost> {
    costs.iter().copied().max_by(|a, b| figure(a).total_cmp(&figure(b)))
}
