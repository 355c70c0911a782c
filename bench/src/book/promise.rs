//! The goals that are ratios beside peers, each on its worst case.

use super::compare::{Comparison, Score};
use super::target::Target;
use super::work::Work;
use crate::goal::Goal;

/// A ratio that all cases and peers of some kind have to reach.
pub(super) struct Promise {
    text: &'static str,
    target: Target,
    tasks: Option<usize>,
    work: fn(Work) -> bool,
    peer: fn(&str) -> bool,
    bound: Bound,
}

/// A measured figure, and its limit.
#[derive(Clone, Copy)]
enum Bound {
    /// Tallybook's operations per second over the peer's.
    AtLeast(f64),
    /// Tallybook's processor time over the peer's, of the client alone.
    ClientAtMost(f64),
    /// The same of client and server.
    BothBelow(f64),
}

pub(super) const PROMISES: [Promise; 23] = [
    Promise {
        text: "PostgreSQL, 16 tasks: every Rust peer on every read, at least 1.0",
        target: Target::Postgres,
        tasks: Some(16),
        work: Work::is_read,
        peer: is_rust,
        bound: Bound::AtLeast(1.0),
    },
    Promise {
        text: "PostgreSQL, 16 tasks: peers that send statements one by one, on the eager reads, at least 1.2",
        target: Target::Postgres,
        tasks: Some(16),
        work: Work::is_eager,
        peer: is_sequential,
        bound: Bound::AtLeast(1.2),
    },
    Promise {
        text: "PostgreSQL, 16 tasks: tokio-postgres pipelined on the eager reads, at least 1.1",
        target: Target::Postgres,
        tasks: Some(16),
        work: Work::is_eager,
        peer: |peer| peer == "tokio-postgres, pipelined",
        bound: Bound::AtLeast(1.1),
    },
    Promise {
        text: "PostgreSQL, 16 tasks: every peer on a write, at least 1.15",
        target: Target::Postgres,
        tasks: Some(16),
        work: |work| work == Work::Write,
        peer: |_| true,
        bound: Bound::AtLeast(1.15),
    },
    Promise {
        text: "PostgreSQL, 16 tasks: pgbench on every read, at least 0.9",
        target: Target::Postgres,
        tasks: Some(16),
        work: Work::is_read,
        peer: is_pgbench,
        bound: Bound::AtLeast(0.9),
    },
    Promise {
        text: "PostgreSQL, 16 tasks: client processor time of tokio-postgres + deadpool on the eager reads, at most 0.65",
        target: Target::Postgres,
        tasks: Some(16),
        work: Work::is_eager,
        peer: is_deadpool,
        bound: Bound::ClientAtMost(0.65),
    },
    Promise {
        text: "PostgreSQL, 16 tasks: client processor time of tokio-postgres + deadpool on a point read, at most 0.9",
        target: Target::Postgres,
        tasks: Some(16),
        work: |work| work == Work::Position,
        peer: is_deadpool,
        bound: Bound::ClientAtMost(0.9),
    },
    Promise {
        text: "PostgreSQL, 16 tasks: client and server processor time of every peer on every work, below 1",
        target: Target::Postgres,
        tasks: Some(16),
        work: |work| work != Work::Load && work != Work::Distant,
        peer: |_| true,
        bound: Bound::BothBelow(1.0),
    },
    Promise {
        text: "PostgreSQL, 1 task: every Rust peer on every work of one machine, at least 1.2",
        target: Target::Postgres,
        tasks: Some(1),
        work: |work| work != Work::Load && work != Work::Distant,
        peer: is_rust,
        bound: Bound::AtLeast(1.2),
    },
    Promise {
        text: "PostgreSQL, 1 ms of network each way: peers that send statements one by one, at least 1.8",
        target: Target::Postgres,
        tasks: Some(1),
        work: |work| work == Work::Distant,
        peer: is_sequential,
        bound: Bound::AtLeast(1.8),
    },
    Promise {
        text: "PostgreSQL, 16 tasks: SQLAlchemy on every read, at least 20",
        target: Target::Postgres,
        tasks: Some(16),
        work: Work::is_read,
        peer: is_python,
        bound: Bound::AtLeast(20.0),
    },
    Promise {
        text: "SQLite: rusqlite by hand on the eager reads, at least 1.4",
        target: Target::Sqlite,
        tasks: None,
        work: Work::is_eager,
        peer: is_rusqlite,
        bound: Bound::AtLeast(1.4),
    },
    Promise {
        text: "SQLite: stepping on the eager reads, at least 0.65",
        target: Target::Sqlite,
        tasks: None,
        work: Work::is_eager,
        peer: is_stepping,
        bound: Bound::AtLeast(0.65),
    },
    Promise {
        text: "SQLite, 1 task: every peer on a write, at least 1.0",
        target: Target::Sqlite,
        tasks: Some(1),
        work: |work| work == Work::Write,
        peer: |_| true,
        bound: Bound::AtLeast(1.0),
    },
    Promise {
        text: "SQLite, 16 tasks: every peer on a write, at least 2.5",
        target: Target::Sqlite,
        tasks: Some(16),
        work: |work| work == Work::Write,
        peer: |_| true,
        bound: Bound::AtLeast(2.5),
    },
    Promise {
        text: "SQLite: rusqlite by hand on the point reads, at least 1.0",
        target: Target::Sqlite,
        tasks: None,
        work: |work| work == Work::Position,
        peer: is_rusqlite,
        bound: Bound::AtLeast(1.0),
    },
    Promise {
        text: "SQLite: sqlx, diesel-async and sea-orm on the eager reads, at least 5",
        target: Target::Sqlite,
        tasks: None,
        work: Work::is_eager,
        peer: |peer| ["sqlx", "diesel-async", "sea-orm"].contains(&peer),
        bound: Bound::AtLeast(5.0),
    },
    Promise {
        text: "PostgreSQL, 16 tasks: recorded fills of tokio-postgres by hand, at least 1.0",
        target: Target::Postgres,
        tasks: Some(16),
        work: |work| work == Work::Record,
        peer: is_deadpool,
        bound: Bound::AtLeast(1.0),
    },
    Promise {
        text: "SQLite, 16 tasks: recorded fills of rusqlite by hand, at least 1.0",
        target: Target::Sqlite,
        tasks: Some(16),
        work: |work| work == Work::Record,
        peer: is_rusqlite,
        bound: Bound::AtLeast(1.0),
    },
    Promise {
        text: "PostgreSQL, 16 tasks: recorded fills of SQLAlchemy, at least 5",
        target: Target::Postgres,
        tasks: Some(16),
        work: |work| work == Work::Record,
        peer: is_python,
        bound: Bound::AtLeast(5.0),
    },
    Promise {
        text: "SQLite, 16 tasks: recorded fills of SQLAlchemy, at least 5",
        target: Target::Sqlite,
        tasks: Some(16),
        work: |work| work == Work::Record,
        peer: is_python,
        bound: Bound::AtLeast(5.0),
    },
    Promise {
        text: "PostgreSQL, bulk load: psql \\copy of the same rows, at least 0.8",
        target: Target::Postgres,
        tasks: None,
        work: |work| work == Work::Load,
        peer: |peer| peer == "psql \\copy",
        bound: Bound::AtLeast(0.8),
    },
    Promise {
        text: "SQLite, bulk load: sqlite3 .import of the same rows, at least 0.8",
        target: Target::Sqlite,
        tasks: None,
        work: |work| work == Work::Load,
        peer: |peer| peer == "sqlite3 .import",
        bound: Bound::AtLeast(0.8),
    },
];

fn is_python(peer: &str) -> bool {
    peer.starts_with("SQLAlchemy")
}

fn is_pgbench(peer: &str) -> bool {
    peer.starts_with("pgbench")
}

fn is_deadpool(peer: &str) -> bool {
    peer == "tokio-postgres + deadpool"
}

fn is_rusqlite(peer: &str) -> bool {
    peer == "rusqlite"
}

fn is_stepping(peer: &str) -> bool {
    peer == "sqlite3 stepping"
}

fn is_rust(peer: &str) -> bool {
    !is_python(peer) && !is_pgbench(peer)
}

fn is_sequential(peer: &str) -> bool {
    !is_pgbench(peer) && !peer.ends_with("pipelined")
}

impl Bound {
    /// `None` where it was not measured.
    fn of(self, score: &Score) -> Option<f64> {
        match self {
            Self::AtLeast(_) => Some(score.ratio.median),
            Self::ClientAtMost(_) => Some(score.cost?.client?.ratio.median),
            Self::BothBelow(_) => Some(score.cost?.both?.ratio.median),
        }
    }

    fn is_worse(self, ratio: f64, than: f64) -> bool {
        match self {
            Self::AtLeast(_) => ratio < than,
            Self::ClientAtMost(_) | Self::BothBelow(_) => ratio > than,
        }
    }

    fn is_kept(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(least) => ratio >= least,
            Self::ClientAtMost(most) => ratio <= most,
            Self::BothBelow(limit) => ratio < limit,
        }
    }
}

impl Promise {
    /// `None` if nobody was measured who is meant.
    pub(super) fn look(&self, comparisons: &[Comparison]) -> Option<Goal> {
        let mut worst: Option<(f64, String)> = None;
        let mut unmeasured = None;
        for Comparison { case, scores } in comparisons {
            let is_meant = case.target == self.target
                && self.tasks.is_none_or(|tasks| tasks == case.tasks)
                && (self.work)(case.work);
            if !is_meant {
                continue;
            }
            for score in scores.iter().skip(1).filter(|score| (self.peer)(score.peer)) {
                let place = format!("{}; {case}", score.peer);
                match self.bound.of(score) {
                    None => unmeasured = Some(place),
                    Some(ratio)
                        if worst.as_ref().is_none_or(|(than, _)| self.bound.is_worse(ratio, *than)) =>
                    {
                        worst = Some((ratio, place));
                    }
                    Some(_) => {}
                }
            }
        }
        let goal = |measured, kept| Some(Goal { promise: self.text, measured, kept });
        match (worst, unmeasured) {
            (_, Some(place)) => goal(format!("not measured: {place}"), false),
            (Some((ratio, place)), None) => goal(format!("{ratio:.2}: {place}"), self.bound.is_kept(ratio)),
            (None, None) => None,
        }
    }
}
