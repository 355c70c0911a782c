//! The command line of `tallybook bench`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Size, redact};

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Measure the indexed reads with and without their index, and the cost of the indexes
    #[command(after_help = INDEXES_HELP)]
    Indexes(Indexes),
    /// Run a mix of reads and writes on a database, and measure its latencies
    #[command(after_help = LOAD_HELP)]
    Load(Load),
}

const INDEXES_HELP: &str = "\
It never touches a book: it creates a scratch copy at each size, and removes it at the end, also
after a failure or Ctrl-C. Without --database that is an SQLite file in the directory for
temporary files (TMPDIR), never DATABASE_URL. With an SQLite URL it is a file in the same
directory; with a PostgreSQL URL a schema in that database, for which the user needs the
privilege CREATE. After a kill -9, remove files and schemas named tallybook_scratch_… by hand.

A portfolio has 200 trades at each size, so a read returns the same number of rows; what grows
is the number of rows to skip. An index is dropped in a transaction that is rolled back, so that
both variants are measured in turn on the same connection. A million trades take about 0.6 GB of
disk, 1.2 GB of memory and two minutes.

Examples:
  tallybook bench indexes
  tallybook bench indexes --sizes 10k,100k
  tallybook bench indexes --sizes 10k,100k,1m,10m --database postgresql://ada@localhost/scratch
  tallybook bench indexes --json > indexes.json";

const LOAD_HELP: &str = "\
Without --database it creates a scratch SQLite file, fills it (--portfolios, --trades, --seed), and
removes it at the end; it never uses DATABASE_URL. A database named by --database must hold a book with
data. Writes go into it only with --writes above 0, and only into a portfolio of their own, which
is removed at the end with its trades and executions, also after a failure or Ctrl-C.

Of ten reads four are a position by its symbol, three the 20 newest trades of a portfolio, two
the trades of a session, one a portfolio with all its relations. A write is a trade with two
executions in one transaction.

Closed loop (without --rate): each task begins the next operation once it was answered. While the
database stalls no task asks, so the percentiles hide stalls; the rate is what the database can
do.
Open loop (--rate): operations are due at fixed times regardless of the database, and a latency
counts from when its operation was due, so a stall shows in all operations that it delayed. Those that
were due but not begun at the end are counted, not hidden. With several rates, --json prints an object
for each.

The wait for a connection of the pool (DB_POOL_SIZE, DB_MAX_OVERFLOW) counts too. Exit code 1 if
an operation failed.

Examples:
  tallybook bench load --tasks 8 --seconds 10
  tallybook bench load --rate 500 --writes 20
  tallybook bench load --rate 2000 --tasks 64 --database postgresql://ada@localhost/book
  tallybook bench load --rate 250,500,1000,2000 --html load.html
  tallybook bench load --seconds 60 --json | jq '.kinds[] | {kind, p99_us}'";

#[derive(Debug, Args)]
pub(crate) struct Indexes {
    /// Numbers of trades to measure at, such as 10k, 250k or 1m; smallest first, at most 100m
    #[arg(long, value_delimiter = ',', default_value = "10k,100k,1m", value_name = "SIZES", value_parser = trades)]
    pub(crate) sizes: Vec<u32>,
    /// Number of times to measure reads and writes with and without an index
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) rounds: u32,
    /// Number of rows to insert, in ten transactions, to measure the cost of an index
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub(crate) inserts: u32,
    /// The seed; the same one gives the same scratch copy
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// Number of concurrent tasks; with --rate, the maximum number of concurrent operations
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) tasks: u32,
    /// Operations started a second, such as 500 or 500/s: an open loop; several are measured one after the other
    #[arg(long, value_name = "RATES", value_delimiter = ',', value_parser = rate)]
    pub(crate) rate: Vec<NonZeroU32>,
    /// Duration of the load at each rate, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: u32,
    /// Percentage of operations that write
    #[arg(long, default_value_t = 0, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) writes: u8,
    /// Also write a page with charts of the latencies over the load
    #[arg(long, value_name = "FILE", value_parser = redact::path())]
    pub(crate) html: Option<PathBuf>,
    /// The content of the scratch file, if there is no --database; and the order of the operations
    #[command(flatten)]
    pub(crate) size: Size,
}

/// The pace at which operations begin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Closed loop: each task begins one after its previous one was answered.
    Closed,
    /// Open loop: this many a second, regardless of the database.
    Open(NonZeroU32),
}

impl Load {
    /// Returns the paces to measure at; at least one.
    pub(crate) fn paces(&self) -> Vec<Pace> {
        match self.rate.is_empty() {
            true => vec![Pace::Closed],
            false => self.rate.iter().copied().map(Pace::Open).collect(),
        }
    }

    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

/// Parses a number of trades: digits, with an optional suffix `k` or `m`.
fn trades(text: &str) -> Result<u32, String> {
    let lower = text.to_ascii_lowercase();
    let (digits, unit) = match lower.as_bytes().last() {
        Some(b'k') => (&lower[..lower.len() - 1], 1_000),
        Some(b'm') => (&lower[..lower.len() - 1], 1_000_000),
        _ => (&lower[..], 1),
    };
    let number = digits.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
    number
        .filter(|number| (200..=100_000_000).contains(number))
        .ok_or_else(|| "a size is a number from 200 to 100m, such as 10k, 100k or 1m".to_owned())
}

/// Parses a number of operations a second.
fn rate(text: &str) -> Result<NonZeroU32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).parse().ok();
    number
        .filter(|rate: &NonZeroU32| rate.get() <= 1_000_000)
        .ok_or_else(|| "a rate is a number of operations a second, from 1 to 1000000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{rate, trades};

    #[test]
    fn sizes_are_written_short() {
        for (text, size) in [("10k", 10_000), ("1m", 1_000_000), ("2500", 2_500), ("100M", 100_000_000)] {
            assert_eq!(trades(text), Ok(size));
        }
        for bad in ["", "k", "ten", "0", "199", "101m", "5000000k", "1.5k", "-1k", "10µ"] {
            assert!(trades(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_may_say_their_unit() {
        assert_eq!(rate("500/s").unwrap().get(), 500);
        assert_eq!(rate("500").unwrap().get(), 500);
        for bad in ["0", "0/s", "fast", "-1", "2000000"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
