//! What can be asked of the benchmark.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use serde::Serialize;

use super::target::Target;
use super::work::Work;

/// Measures the book on Tallybook and on its peers, side by side: the same rows, the same machine, the same run.
///
/// It starts a private PostgreSQL server and makes a private SQLite file, and fills both with the same book. Every
/// peer must read the same rows, which a checksum proves, before anything is measured. Then the peers take turns.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// A smaller book and shorter turns: less than three minutes.
    #[arg(long)]
    quick: bool,
    /// Only on this dialect.
    #[arg(long, value_name = "ENGINE")]
    dialect: Option<Target>,
    /// Only this work; may be given several times.
    #[arg(long, value_name = "WORK")]
    work: Vec<Work>,
    /// Only Tallybook and the peers of which this is a part of the name; may be given several times.
    #[arg(long, value_name = "PEER")]
    peer: Vec<String>,
    /// Instead of all that: Tallybook alone, on books of 10 thousand, 100 thousand and 1 million trades; with
    /// --quick without the last.
    #[arg(long, conflicts_with_all = ["work", "peer", "tasks"])]
    growth: bool,
    /// With --growth: books of so many trades instead, the smallest first; may be given several times.
    #[arg(long, value_name = "TRADES", requires = "growth", value_parser = clap::value_parser!(u32).range(10_000..))]
    size: Vec<u32>,
    /// Only with so many tasks, instead of 1 and 16; may be given several times.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    tasks: Vec<u16>,
    /// Rounds of each comparison; in every round each peer has one turn.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Milliseconds of one turn.
    #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    slice: Option<u64>,
    /// The program `tallybook` that makes the book, instead of building it.
    #[arg(long, value_name = "FILE")]
    pub(super) program: Option<PathBuf>,
    /// A Python with SQLAlchemy, asyncpg and aiosqlite, instead of the one that python/install.sh makes; without
    /// any, SQLAlchemy is left out.
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Write everything that was measured to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write the tables to this file as Markdown.
    #[arg(long, value_name = "FILE")]
    pub(super) markdown: Option<PathBuf>,
    /// Write the ratios to this file as a page with a chart, which needs no other file.
    #[arg(long, value_name = "FILE", conflicts_with = "growth")]
    pub(super) html: Option<PathBuf>,
}

/// Trades of the books on which growth is measured.
const GROWTH: [u32; 3] = [10_000, 100_000, 1_000_000];

const EXAMPLES: &str = "\
Examples:
  python/install.sh                                             once, for SQLAlchemy
  cargo run --release --bin book -- --quick                     a look
  cargo run --release --bin book -- --markdown book.md          the full table
  cargo run --release --bin book -- --html book.html            as a chart
  cargo run --release --bin book -- --dialect sqlite --work relations --peer rusqlite --rounds 15
  cargo run --release --bin book -- --work relations --tasks 16 --peer pgbench --json book.json
  cargo run --release --bin book -- --work record               fills, beside the same changes by hand
  cargo run --release --bin book -- --work load                 bulk load beside the databases' shells
  cargo run --release --bin book -- --growth                    how the cost grows with the book
  cargo run --release --bin book -- --growth --size 10000 --size 10000000";

/// The size of a book.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Size {
    pub(super) portfolios: u32,
    pub(super) trades: u32,
}

impl Size {
    /// With 200 trades to a portfolio.
    pub(super) const fn of(trades: u32) -> Self {
        Self { portfolios: trades / 200, trades }
    }
}

/// How much, how long and how often.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plan {
    pub(super) size: Size,
    /// Trades of a bulk load.
    pub(super) loaded: u32,
    pub(super) rounds: u32,
    /// The turn of one peer in a round: short, so that what else the machine does meets all peers alike.
    pub(super) slice: Duration,
    pub(super) targets: Vec<Target>,
    pub(super) works: Vec<Work>,
    pub(super) tasks: Vec<usize>,
    /// The books on which growth is measured, the smallest first; none where peers are compared.
    pub(super) growth: Vec<Size>,
    peers: Vec<String>,
    #[serde(skip)]
    pub(super) python: Option<PathBuf>,
}

impl Options {
    pub(super) fn plan(&self) -> Plan {
        let (trades, loaded, rounds, slice) =
            if self.quick { (80_000, 10_000, 5, 60) } else { (200_000, 100_000, 9, 300) };
        Plan {
            size: Size::of(trades),
            loaded,
            rounds: self.rounds.unwrap_or(rounds),
            slice: Duration::from_millis(self.slice.unwrap_or(slice)),
            targets: Target::ALL
                .into_iter()
                .filter(|target| self.dialect.is_none_or(|only| only == *target))
                .collect(),
            // Writes come last whatever the order of the options: they make the book larger.
            works: Work::ALL
                .into_iter()
                .filter(|work| self.work.is_empty() || self.work.contains(work))
                .collect(),
            tasks: if self.tasks.is_empty() {
                vec![1, 16]
            } else {
                self.tasks.iter().copied().map(usize::from).collect()
            },
            growth: self.growth().into_iter().map(Size::of).collect(),
            peers: self.peer.iter().map(|peer| peer.to_lowercase()).collect(),
            python: self.python.clone(),
        }
    }
}

impl Options {
    fn growth(&self) -> Vec<u32> {
        match (self.growth, self.quick) {
            (false, _) => Vec::new(),
            (true, _) if !self.size.is_empty() => self.size.clone(),
            (true, true) => GROWTH[..2].into(),
            (true, false) => GROWTH.into(),
        }
    }
}

impl Plan {
    /// Whether a peer takes part. Tallybook always does: the others are compared with it.
    pub(super) fn wants(&self, peer: &str) -> bool {
        let peer = peer.to_lowercase();
        peer == "tallybook" || self.peers.is_empty() || self.peers.iter().any(|part| peer.contains(part))
    }
}
