//! What can be typed.

mod bench;
mod echo;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::figures::Order;
pub(crate) use bench::{Bench, Indexes, Load, Pace};

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

/// What was typed; ends the program if it is wrong, or if it asks for help.
pub(crate) fn read() -> Args {
    Args::try_parse().unwrap_or_else(|error| echo::without_secrets(error).exit())
}

const EXAMPLES: &str = "\
Examples:
  tallybook demo                                  see it work, on an SQLite file it makes
  tallybook demo --database postgresql://ada@localhost/scratch
  tallybook migrate upgrade                       bring DATABASE_URL to the newest revision
  tallybook migrate plan                          what that would do, and which locks it takes
  tallybook migrate downgrade -1                  take the last revision back
  tallybook migrate adopt --dry-run               look at a database that Alembic made
  tallybook seed --portfolios 100 --trades 20000  fill an empty book with made-up trading
  tallybook export trades | gzip > trades.csv.gz
  tallybook import trades trades.csv
  tallybook bench indexes                         what indexes bring and cost, on a scratch copy
  tallybook bench load --rate 500 --seconds 30    load, with latencies that hide no stall
  tallybook watch /run/book/figures.sock          watch a program that has DB_MONITOR_SOCKET set
  tallybook doctor                                what is wrong with a database and its replicas

Settings come from the environment and from .env in the working directory; see .env.example.
Exit codes: 0 done, 1 failed, 2 wrong usage; doctor: 3 warnings, 4 critical findings.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a book, fill it, and measure its reads: statements, round trips, times, indexes, N+1
    #[command(after_help = DEMO_HELP)]
    Demo(Demo),
    /// Apply revisions, roll them back, show and check what is applied, adopt what Alembic made
    #[command(subcommand)]
    Migrate(Migrate),
    /// Fill an empty book with made-up trading: the same seed gives the same book. Takes about 1 KB of memory a
    /// trade
    Seed(Seed),
    /// Measure: what the indexes bring and cost, and how a database bears load
    #[command(subcommand)]
    Bench(Bench),
    /// Load a CSV file into a table: all of it or nothing
    #[command(after_help = CSV_HELP)]
    Import(Import),
    /// Write a table as CSV, all rows of one snapshot
    #[command(after_help = EXPORT_HELP)]
    Export(Export),
    /// Watch a program that uses the engine: its statements, what runs now, what is slow, N+1 loops, pools
    #[command(after_help = WATCH_HELP)]
    Watch(Watch),
    /// Look at the settings and at every node they name: what is wrong, why it matters, what to run next
    #[command(after_help = DOCTOR_HELP)]
    Doctor(Doctor),
    /// Print what happened while `tallybook watch --record` ran
    #[command(after_help = REPORT_HELP)]
    Report(Report),
}

impl Command {
    /// Whether it reports all that it meets itself, so that the log has nothing to add.
    pub(crate) fn is_report(&self) -> bool {
        matches!(self, Self::Doctor(_))
    }
}

const DEMO_HELP: &str = "\
Without --database it uses sqlite:///./tallybook-demo.db, never DATABASE_URL. It refuses a database that holds
tables and no book, and fills only an empty book.";

const CSV_HELP: &str = "\
The first line names the columns, in any order. Money has a decimal point and no thousands separators; times are
YYYY-MM-DD HH:MM:SS.ffffff in UTC. An empty field is NULL; an empty text in a column that may be NULL is written as
two quote characters. Without a column `id`, the database gives identifiers. A row has at most 16 MiB. Texts are taken
as they are: the apostrophes of export --escape-formulas stay.

Examples:
  tallybook export portfolios portfolios.csv
  tallybook import portfolios portfolios.csv
  tallybook export trades - | head";

const EXPORT_HELP: &str = "\
Rows come by their identifiers. The first line names the columns. Money has a decimal point and no thousands separators;
times are YYYY-MM-DD HH:MM:SS.ffffff in UTC. An empty field is NULL; an empty text in a column that may be NULL is
written as two quote characters. The file appears under its name when it is whole and on disk; until then it is a
hidden one beside it, which ends in .part. Values that other programs wrote and that the book can't read, such as NaN or
a date without a time, end the export, unless --skip-unreadable lists their rows. No list and no message tells a value.
Texts are written as they are, so that an import brings them back. A spreadsheet runs those that look like formulas: for
people who open the file in one, there is --escape-formulas.

Exit codes: 0 every row was written; 3 rows were left out; 1 it failed, and the file is as it was; 2 wrong usage.

Examples:
  tallybook export portfolios portfolios.csv
  tallybook export trades - | head
  tallybook export trades trades.csv --skip-unreadable rejected.csv
  tallybook export trades for-excel.csv --escape-formulas";

const WATCH_HELP: &str = "\
The program to watch serves its figures at the socket that its DB_MONITOR_SOCKET names; only its own user may read
it. When the program ends, this waits for it to return. On no terminal it prints the figures once, as text.
--json prints a report a line, which `tallybook report` reads as well. Times in it are in seconds.

Keys: q quits, tab and shift-tab change the panel, arrows and page keys select, enter shows an entry whole with its
plan and call site, esc goes back, s changes the order of the statements.

Examples:
  DB_MONITOR_SOCKET=/run/book/figures.sock book-server &
  tallybook watch /run/book/figures.sock
  tallybook watch --interval 0.5 --sort p99       with DB_MONITOR_SOCKET set here too
  tallybook watch --once | less
  tallybook watch --record monday.jsonl           then: tallybook report monday.jsonl
  tallybook watch --json --interval 60 > day.jsonl";

const DOCTOR_HELP: &str = "\
It changes nothing. All nodes are looked at at the same time: each host of DATABASE_URL, which are the candidates for
the primary, and each host of DB_READ_REPLICA_URL. A node that does not answer is a finding. A statement of the doctor
runs for 3 s at most and waits 1 s for a lock. Nothing that it prints is a password. A user that is no member of
pg_monitor does not see all; then it says what is left out. docs/doctor.md lists the checks.

Exit codes: 0 nothing, or notes; 3 warnings; 4 critical findings; 1 it failed itself; 2 wrong usage.

Examples:
  tallybook doctor
  tallybook doctor --database postgresql://ada@db.example/book
  tallybook doctor --within 60                    for nodes that answer slowly
  tallybook doctor --json | jq '.findings[] | {severity, nodes, what, next}'
  tallybook doctor > /tmp/report; [ $? -lt 4 ] || mail -s 'book: critical' oncall < /tmp/report";

const REPORT_HELP: &str = "\
Of several reports it prints what happened between the first and the last: counts, totals, means, and what was slow or
found in that time. Quantiles and maxima are marked with * there: they are of all the time since the program opened its
database. If the program was started again in between, it is the last run.

Examples:
  tallybook report monday.jsonl
  tallybook report monday.jsonl --sort errors
  tallybook report monday.jsonl --totals          as in the last report
  tallybook report monday.jsonl --json | jq '.statements[] | {summary, calls}'";

#[derive(Debug, ClapArgs)]
pub(crate) struct Watch {
    /// The socket, instead of DB_MONITOR_SOCKET
    #[arg(value_parser = echo::path())]
    pub(crate) socket: Option<PathBuf>,
    /// Seconds from one report to the next, from 0.1
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) interval: Duration,
    /// Print the figures once, and end
    #[arg(long)]
    pub(crate) once: bool,
    /// Which statements come first
    #[arg(long, default_value = "time")]
    pub(crate) sort: Order,
    /// Append each report to a file, as a line of JSON: about 1 KB a statement
    #[arg(long, value_name = "FILE", value_parser = echo::path())]
    pub(crate) record: Option<PathBuf>,
}

/// A time between two reports.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "it is a number from 0.1 to 86400".to_owned())
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Doctor {
    /// Seconds for each node; what was seen until then is reported
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=3_600))]
    pub(crate) within: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Report {
    /// A file of reports, one a line
    #[arg(value_parser = echo::path())]
    pub(crate) file: PathBuf,
    /// Print the last report: all since the program opened its database
    #[arg(long)]
    pub(crate) totals: bool,
    /// Which statements come first
    #[arg(long, default_value = "time")]
    pub(crate) sort: Order,
}

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
    /// Apply revisions up to head, +1 or a revision, while others use the database. A run that stopped is run again
    Upgrade {
        /// head, +1 or a revision such as 0001
        #[arg(default_value = "head")]
        goal: String,
        #[command(flatten)]
        limits: Limits,
    },
    /// Roll revisions back to base, -1 or a revision. Refuses to drop what holds data. Killed and run again, -1 goes no
    /// further than it first meant
    Downgrade {
        /// base, -1 or a revision such as 0001
        #[arg(allow_hyphen_values = true)]
        goal: String,
        /// Drop columns and tables that hold data, which is lost
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        limits: Limits,
    },
    /// Show the last applied revision
    Current {
        #[command(flatten)]
        limits: ShortLimits,
    },
    /// Show all revisions and when they were applied
    History {
        #[command(flatten)]
        limits: ShortLimits,
    },
    /// Show what an upgrade would do: the SQL, the lock of each step, what it reads and writes, and the way back; exit
    /// code 1 if this user lacks a privilege for it
    Plan {
        /// head, +1 or a revision such as 0001
        #[arg(default_value = "head")]
        goal: String,
        #[command(flatten)]
        limits: ShortLimits,
    },
    /// Compare the database with what its revisions say; exit code 1 if programs would fail, or if nothing is recorded to
    /// compare with
    Check {
        #[command(flatten)]
        limits: ShortLimits,
    },
    /// Take over a database that Alembic made, or SQLAlchemy's create_all
    ///
    /// Compares the book's tables with what the version in alembic_version should have, or, where there is none, with
    /// each version, and records the revision that fits. Changes no table of the book and none of others. Says what
    /// is blocking, benign or already applied, and what `release` can hand back to Alembic later.
    Adopt {
        /// Look only; exit code 1 if something stands in the way, a missing privilege too
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        limits: ShortLimits,
    },
    /// Hand the database back to Alembic
    ///
    /// Writes the version that fits into alembic_version and forgets what was applied: before an upgrade the version
    /// that was adopted, after it the one that has the same tables. Where none fits it changes nothing and says what
    /// to do first. An SQLite file gets its journal mode back. Where create_all made the database no version is
    /// written.
    Release {
        #[command(flatten)]
        limits: ShortLimits,
    },
    /// Accept the text of a revision that was changed after it was applied, and record that
    Repair {
        /// The revision
        revision: String,
        #[command(flatten)]
        limits: ShortLimits,
    },
}

impl Migrate {
    /// The seconds that it has.
    pub(crate) fn within(&self) -> u64 {
        match self {
            Self::Upgrade { limits, .. } | Self::Downgrade { limits, .. } => limits.within,
            Self::Current { limits }
            | Self::History { limits }
            | Self::Plan { limits, .. }
            | Self::Check { limits }
            | Self::Adopt { limits, .. }
            | Self::Release { limits }
            | Self::Repair { limits, .. } => limits.within,
        }
    }
}

#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct Limits {
    /// Seconds after which the run ends; what is done stays, and the next run goes on
    #[arg(long, default_value_t = 3600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub(crate) within: u64,
}

/// The time of what looks, or changes little.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct ShortLimits {
    /// Seconds after which it gives up; it names who holds the lock that it waits for
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub(crate) within: u64,
}

/// The time of what is done as a whole or not at all.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct WholeLimits {
    /// Seconds after which it gives up; it names who holds the lock that it waits for
    #[arg(long, default_value_t = 3600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub(crate) within: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Seed {
    #[command(flatten)]
    pub(crate) size: Size,
    #[command(flatten)]
    pub(crate) limits: WholeLimits,
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
    #[arg(value_parser = echo::path())]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) limits: WholeLimits,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Export {
    /// The table to write
    pub(crate) table: TableName,
    /// The file; - is standard output
    #[arg(default_value = "-", value_parser = echo::path())]
    pub(crate) file: PathBuf,
    /// Leave out the rows that can't be read, and list them in this file: table, id, column, reason
    #[arg(long, value_name = "FILE", value_parser = echo::path())]
    pub(crate) skip_unreadable: Option<PathBuf>,
    /// Write an apostrophe in front of texts that begin with = + - @, a tab or a carriage return, which spreadsheets take
    /// for formulas. An import does not take it away
    #[arg(long)]
    pub(crate) escape_formulas: bool,
    #[command(flatten)]
    pub(crate) limits: WholeLimits,
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
