//! What Tallybook set out to reach beside its peers.

use super::compare::{Allocated, Comparison};
use super::growth::{Depth, Grown};
use super::target::Target;
use super::work::Work;
use crate::goal::Goal;
use crate::table::count;

/// A ratio that all cases and peers of some kind have to reach.
struct Promise {
    text: &'static str,
    target: Target,
    tasks: Option<usize>,
    work: fn(Work) -> bool,
    peer: fn(&str) -> bool,
    /// Tallybook's operations per second over the peer's, at least.
    least: f64,
}

/// The time on the largest book over that on the smallest, for the same rows.
const MAX_GROWTH: f64 = 1.5;
/// The time of a deep page over that of the first; a tenth is what can't be told apart.
const MAX_DEPTH: f64 = 1.1;

const PROMISES: [Promise; 17] = [
    Promise {
        text: "PostgreSQL, 16 tasks: every Rust peer on every read, at least 1.0",
        target: Target::Postgres,
        tasks: Some(16),
        work: Work::is_read,
        peer: is_rust,
        least: 1.0,
    },
    Promise {
        text: "PostgreSQL, 16 tasks: every Rust peer on the eager reads, at least 1.1",
        target: Target::Postgres,
        tasks: Some(16),
        work: Work::is_eager,
        peer: is_rust,
        least: 1.1,
    },
    Promise {
        text: "PostgreSQL, 16 tasks: SQLAlchemy on every read, at least 20",
        target: Target::Postgres,
        tasks: Some(16),
        work: Work::is_read,
        peer: is_python,
        least: 20.0,
    },
    Promise {
        text: "PostgreSQL, 16 tasks: pgbench on every read, at least 0.9",
        target: Target::Postgres,
        tasks: Some(16),
        work: Work::is_read,
        peer: |peer| peer == "pgbench",
        least: 0.9,
    },
    Promise {
        text: "PostgreSQL, 1 task: peers that send statements one by one, on the eager reads, at least 1.3",
        target: Target::Postgres,
        tasks: Some(1),
        work: Work::is_eager,
        peer: is_sequential,
        least: 1.3,
    },
    Promise {
        text: "PostgreSQL, 1 ms of network each way: peers that send statements one by one, at least 1.8",
        target: Target::Postgres,
        tasks: Some(1),
        work: |work| work == Work::Distant,
        peer: is_sequential,
        least: 1.8,
    },
    Promise {
        text: "SQLite: rusqlite by hand on the eager reads, at least 1.3",
        target: Target::Sqlite,
        tasks: None,
        work: Work::is_eager,
        peer: |peer| peer == "rusqlite",
        least: 1.3,
    },
    Promise {
        text: "SQLite: rusqlite by hand on the point reads, at least 1.0",
        target: Target::Sqlite,
        tasks: None,
        work: |work| work == Work::Position,
        peer: |peer| peer == "rusqlite",
        least: 1.0,
    },
    Promise {
        text: "SQLite: sqlx, diesel-async and sea-orm on the eager reads, at least 5",
        target: Target::Sqlite,
        tasks: None,
        work: Work::is_eager,
        peer: |peer| ["sqlx", "diesel-async", "sea-orm"].contains(&peer),
        least: 5.0,
    },
    Promise {
        text: "SQLite: at most 1.25 times the time of stepping, so at least 0.8 of its speed",
        target: Target::Sqlite,
        tasks: None,
        work: Work::is_eager,
        peer: is_stepping,
        least: 0.8,
    },
    Promise {
        text: "SQLite, 16 tasks: writes of every peer, at least 5",
        target: Target::Sqlite,
        tasks: Some(16),
        work: |work| work == Work::Write,
        peer: |peer| !is_stepping(peer),
        least: 5.0,
    },
    Promise {
        text: "PostgreSQL, 16 tasks: recorded fills of tokio-postgres by hand, at least 1.0",
        target: Target::Postgres,
        tasks: Some(16),
        work: is_record,
        peer: |peer| peer == "tokio-postgres + deadpool",
        least: 1.0,
    },
    Promise {
        text: "SQLite, 16 tasks: recorded fills of rusqlite by hand, at least 1.0",
        target: Target::Sqlite,
        tasks: Some(16),
        work: is_record,
        peer: |peer| peer == "rusqlite",
        least: 1.0,
    },
    Promise {
        text: "PostgreSQL, 16 tasks: recorded fills of SQLAlchemy, at least 5",
        target: Target::Postgres,
        tasks: Some(16),
        work: is_record,
        peer: is_python,
        least: 5.0,
    },
    Promise {
        text: "SQLite, 16 tasks: recorded fills of SQLAlchemy, at least 5",
        target: Target::Sqlite,
        tasks: Some(16),
        work: is_record,
        peer: is_python,
        least: 5.0,
    },
    Promise {
        text: "PostgreSQL, bulk load: psql \\copy of the same rows, at least 0.8",
        target: Target::Postgres,
        tasks: None,
        work: |work| work == Work::Load,
        peer: |peer| peer == "psql \\copy",
        least: 0.8,
    },
    Promise {
        text: "SQLite, bulk load: sqlite3 .import of the same rows, at least 0.8",
        target: Target::Sqlite,
        tasks: None,
        work: |work| work == Work::Load,
        peer: |peer| peer == "sqlite3 .import",
        least: 0.8,
    },
];

fn is_record(work: Work) -> bool {
    work == Work::Record
}

fn is_python(peer: &str) -> bool {
    peer.starts_with("SQLAlchemy")
}

fn is_stepping(peer: &str) -> bool {
    peer == "sqlite3 stepping"
}

fn is_rust(peer: &str) -> bool {
    !is_python(peer) && !peer.starts_with("pgbench")
}

fn is_sequential(peer: &str) -> bool {
    peer != "pgbench" && !peer.ends_with("pipelined")
}

/// Each on its worst case; without those of which nothing was measured.
pub(super) fn goals(
    comparisons: &[Comparison],
    allocated: &[Allocated],
    grown: &[Grown],
    depths: &[Depth],
) -> Vec<Goal> {
    let mut goals: Vec<Goal> = PROMISES.iter().filter_map(|promise| promise.look(comparisons)).collect();
    goals.extend(allocations(allocated));
    goals.extend(Target::ALL.into_iter().filter_map(|target| growth(target, grown)));
    goals.extend(depth(depths));
    goals
}

fn allocations(allocated: &[Allocated]) -> Option<Goal> {
    let of_us = allocated.iter().filter(|count| count.peer == "Tallybook");
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

impl Promise {
    fn look(&self, comparisons: &[Comparison]) -> Option<Goal> {
        let mut worst: Option<(f64, String)> = None;
        for Comparison { case, scores } in comparisons {
            let is_meant = case.target == self.target
                && self.tasks.is_none_or(|tasks| tasks == case.tasks)
                && (self.work)(case.work);
            if !is_meant {
                continue;
            }
            for score in scores.iter().skip(1).filter(|score| (self.peer)(score.peer)) {
                let ratio = score.ratio.median;
                if worst.as_ref().is_none_or(|(least, _)| ratio < *least) {
                    worst = Some((ratio, format!("{}; {case}", score.peer)));
                }
            }
        }
        let (ratio, place) = worst?;
        Some(Goal { promise: self.text, measured: format!("{ratio:.2}: {place}"), kept: ratio >= self.least })
    }
}
