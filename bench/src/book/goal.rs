//! What Tallybook set out to reach beside its peers.

use super::compare::{Allocated, Comparison};
use super::growth::{Depth, Grown};
use super::promise::PROMISES;
use super::target::Target;
use super::work::Work;
use crate::goal::Goal;
use crate::table::count;

/// The time on the largest book over that on the smallest, for the same rows.
const MAX_GROWTH: f64 = 1.5;
/// The time of a deep page over that of the first; a tenth is what can't be told apart.
const MAX_DEPTH: f64 = 1.1;
/// Allocations of a point read, its texts included.
const MAX_POINT_READ: f64 = 4.0;

/// Each on its worst case; without those of which nothing was measured.
pub(super) fn goals(
    comparisons: &[Comparison],
    allocated: &[Allocated],
    grown: &[Grown],
    depths: &[Depth],
) -> Vec<Goal> {
    let mut goals: Vec<Goal> = PROMISES.iter().filter_map(|promise| promise.look(comparisons)).collect();
    goals.extend(allocations(allocated));
    goals.extend(point_read(allocated));
    goals.extend(Target::ALL.into_iter().filter_map(|target| growth(target, grown)));
    goals.extend(depth(depths));
    goals
}

fn allocations(allocated: &[Allocated]) -> Option<Goal> {
    let of_us = allocated.iter().filter(|count| count.peer == "Tallybook" && count.work != Work::Position);
    let worst = of_us.max_by(|a, b| (a.per_row - a.texts_per_row).total_cmp(&(b.per_row - b.texts_per_row)));
    worst.map(|worst| Goal {
        promise: "allocations: no more per row than it owns texts",
        measured: format!(
            "{:.2} for {:.2} texts: {}, {}",
            worst.per_row,
            worst.texts_per_row,
            worst.target,
            worst.work.title()
        ),
        kept: worst.per_row <= worst.texts_per_row,
    })
}

fn point_read(allocated: &[Allocated]) -> Option<Goal> {
    let of_us = allocated.iter().filter(|count| count.peer == "Tallybook" && count.work == Work::Position);
    let worst = of_us.max_by(|a, b| a.per_answer.total_cmp(&b.per_answer))?;
    Some(Goal {
        promise: "allocations: at most 4 for a point read",
        measured: format!("{:.2}: {}, {}", worst.per_answer, worst.target, worst.work.title()),
        kept: worst.per_answer <= MAX_POINT_READ,
    })
}

fn growth(target: Target, grown: &[Grown]) -> Option<Goal> {
    let own = grown.iter().filter(|grown| grown.target == target);
    let worst = own.max_by(|a, b| a.ratio.median.total_cmp(&b.ratio.median))?;
    Some(Goal {
        promise: match target {
            Target::Postgres => {
                "PostgreSQL, growth: the same rows from a larger book, at most 1.5 times the time"
            }
            Target::Sqlite => "SQLite, growth: the same rows from a larger book, at most 1.5 times the time",
        },
        measured: format!("{:.2}: {}, {} trades", worst.ratio.median, worst.read, count(worst.trades.into())),
        kept: worst.ratio.median <= MAX_GROWTH,
    })
}

fn depth(depths: &[Depth]) -> Option<Goal> {
    let worst = depths.iter().max_by(|a, b| a.ratio.median.total_cmp(&b.ratio.median))?;
    Some(Goal {
        promise: "a deep page by cursor costs what the first does, at most 1.1 times",
        measured: format!(
            "{:.2}: {}, {} trades",
            worst.ratio.median,
            worst.target,
            count(worst.trades.into())
        ),
        kept: worst.ratio.median <= MAX_DEPTH,
    })
}
