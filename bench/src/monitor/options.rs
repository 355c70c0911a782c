//! What can be asked of the benchmark.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use serde::Serialize;

use super::mode::Mode;
use super::single::Single;

/// Measures what monitoring costs, on SQLite and on a private PostgreSQL server: each mode beside "off".
#[derive(Debug, Parser)]
pub struct Options {
    /// Fewer rounds and fewer distinct statements: about a minute.
    #[arg(long)]
    quick: bool,
    /// Rounds of each comparison; every round measures every mode once.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Measure nothing: only read in this mode, for a profiler.
    #[arg(long, value_name = "MODE")]
    only: Option<Mode>,
    /// Turns that each task of --only takes.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, requires = "only")]
    reads: u32,
    /// The case of --only; part of a name is enough.
    #[arg(
        long,
        value_name = "CASE",
        default_value = "SQLite point read, a session each, 1 task",
        requires = "only"
    )]
    case: String,
    /// Write everything that was measured to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
}

/// How long and how often.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plan {
    /// Rounds of each case.
    pub(super) rounds: u32,
    /// The turn of one mode in a round: short, so that what else the machine does meets all modes alike.
    pub(super) slice: Duration,
    /// Statements of which each has a fingerprint of its own.
    pub(super) distinct_statements: u32,
}

impl Options {
    pub(super) fn plan(&self) -> Plan {
        let (rounds, distinct_statements) = if self.quick { (10, 100_000) } else { (60, 1_000_000) };
        Plan { rounds: self.rounds.unwrap_or(rounds), slice: Duration::from_millis(50), distinct_statements }
    }

    pub(super) fn single(&self) -> Option<Single<'_>> {
        Some(Single { mode: self.only?, case: &self.case, turns: self.reads })
    }
}
