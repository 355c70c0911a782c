//! What can be typed.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// The database layer under a trading back end: portfolios, positions, trades, executions and sessions on
/// SQLite and PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "tallybook", version, about, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The database, instead of DATABASE_URL: sqlite:///./book.db, sqlite:////absolute.db or
    /// postgresql://user:password@host:5432/database
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database: Option<String>,

    /// Print JSON, for scripts
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tallybook demo                                  see it work, on an SQLite file it makes
  tallybook demo --database postgresql://ada@localhost/scratch
  tallybook migrate upgrade                       bring DATABASE_URL to the newest revision
  tallybook migrate downgrade -1                  take the last revision back
  tallybook seed --portfolios 100 --trades 20000  fill an empty book with made-up trading
  tallybook export trades | gzip > trades.csv.gz
  tallybook import trades trades.csv

Settings come from the environment and from .env in the working directory; see .env.example.
Exit codes: 0 done, 1 failed, 2 wrong usage.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a book, fill it, and measure its reads: statements, round trips, times, indexes, N+1
    #[command(after_help = DEMO_HELP)]
    Demo(Demo),
    /// Apply revisions, roll them back, and show which are applied
    #[command(subcommand)]
    Migrate(Migrate),
    /// Fill an empty book with made-up trading: the same seed gives the same book. Takes about 1 KB of memory a
    /// trade
    Seed(Seed),
    /// Load a CSV file into a table: all of it or nothing
    #[command(after_help = CSV_HELP)]
    Import(Import),
    /// Write a table as CSV, all rows of one snapshot
    #[command(after_help = CSV_HELP)]
    Export(Export),
}

const DEMO_HELP: &str = "\
Without --database it uses sqlite:///./tallybook-demo.db, never DATABASE_URL. It refuses a database that holds
tables and no book, and fills only an empty book.";

const CSV_HELP: &str = "\
The first line names the columns, in any order. Money has a decimal point and no thousands separators; times are
YYYY-MM-DD HH:MM:SS.ffffff in UTC. An empty field is NULL; an empty text in a column that may be NULL is written as
two quote characters. Without a column `id`, the database gives identifiers.

Examples:
  tallybook export portfolios portfolios.csv
  tallybook import portfolios portfolios.csv
  tallybook export trades - | head";

#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) size: Size,
    /// Times that each read is measured
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) runs: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Migrate {
    /// Apply revisions up to head, +1 or a revision
    Upgrade {
        /// head, +1 or a revision such as 0001
        #[arg(default_value = "head")]
        goal: String,
    },
    /// Roll revisions back to base, -1 or a revision. What their columns and tables held is gone
    Downgrade {
        /// base, -1 or a revision such as 0001
        #[arg(allow_hyphen_values = true)]
        goal: String,
    },
    /// Show the last applied revision
    Current,
    /// Show all revisions and when they were applied
    History,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Seed {
    #[command(flatten)]
    pub(crate) size: Size,
}

#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct Size {
    /// Portfolios to make
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) portfolios: u32,
    /// Trades to make
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub(crate) trades: u32,
    /// The seed: the same one gives the same book
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Import {
    /// The table to load
    pub(crate) table: TableName,
    /// The file; - is standard input
    pub(crate) file: std::path::PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Export {
    /// The table to write
    pub(crate) table: TableName,
    /// The file; - is standard output
    #[arg(default_value = "-")]
    pub(crate) file: std::path::PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum TableName {
    Portfolios,
    Positions,
    Trades,
    Executions,
    TradingSessions,
}
