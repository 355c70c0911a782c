//! The command line.

mod advise;
mod bench;
mod check;
mod migrate;
mod record;
mod redact;
mod serve;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::figures::Order;
pub(crate) use advise::Advise;
pub(crate) use bench::{Bench, Indexes, Load, Pace};
pub(crate) use check::{Check, CheckBook};
pub(crate) use migrate::Migrate;
pub(crate) use record::Record;
pub(crate) use serve::{CreateToken, ScopeName, Serve, Token};

use advise::ADVISE_HELP;
use check::CHECK_HELP;
use record::RECORD_HELP;
use serve::{SERVE_HELP, TOKEN_HELP};

/// The database layer under a trading back end: portfolios, positions, trades, executions and sessions on SQLite
/// and PostgreSQL.
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

/// Parses the command line. Exits the program if it is wrong or asks for help.
pub(crate) fn read() -> Args {
    Args::try_parse().unwrap_or_else(|error| redact::without_secrets(error).exit())
}

const EXAMPLES: &str = "\
Examples:
  tallybook serve --demo                          see it: the dashboard over live work, in a browser
  tallybook demo                                  try it, on an SQLite file that it creates
  tallybook demo --database postgresql://ada@localhost/scratch
  tallybook migrate upgrade                       bring DATABASE_URL to the newest revision
  tallybook migrate plan                          what that would do, and which locks it takes
  tallybook migrate downgrade -1                  take the last revision back
  tallybook migrate adopt --dry-run               look at a database that Alembic made
  tallybook seed --portfolios 100 --trades 20000  fill an empty book with generated trades
  tallybook export trades | gzip > trades.csv.gz
  tallybook import trades trades.csv
  tallybook record fills.csv                      record a broker's fills, each exactly once
  tallybook check book                            does every figure follow from executions?
  tallybook serve                                 the book over HTTP, on this machine
  tallybook bench indexes                         benefit and cost of the indexes, on a scratch copy
  tallybook bench load --rate 500 --seconds 30    load, with latencies that hide no stall
  tallybook watch /run/book/figures.sock          watch a program that has DB_MONITOR_SOCKET set
  tallybook doctor                                what is wrong with a database and its replicas
  tallybook advise --socket /run/book/figures.sock

Settings come from the environment and from .env in the working directory; see .env.example.
Exit codes: 0 done, 1 failed, 2 wrong usage; check: 3 differences; advise: 3 advice; doctor: 3 warnings, 4 critical
findings.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a book, fill it, and measure its reads: statements, round trips, times, indexes, N+1
    #[command(after_help = DEMO_HELP)]
    Demo(Demo),
    /// Apply revisions, roll them back, show and check what is applied, adopt databases that Alembic made
    #[command(subcommand, after_help = MIGRATE_HELP)]
    Migrate(Migrate),
    /// Fill an empty book with generated trading data; the same seed gives the same book. Takes about 1 KB of
    /// memory a trade
    #[command(after_help = SEED_HELP)]
    Seed(Seed),
    /// Measure the benefit and cost of the indexes, and how a database handles load
    #[command(subcommand, after_help = BENCH_HELP)]
    Bench(Bench),
    /// Import a CSV file into a table, in one transaction
    #[command(after_help = CSV_HELP)]
    Import(Import),
    /// Export a table as CSV, all rows from one snapshot
    #[command(after_help = EXPORT_HELP)]
    Export(Export),
    /// Record the fills of a CSV file: each changes its order, position, cash and totals exactly once
    #[command(after_help = RECORD_HELP)]
    Record(Record),
    /// Check whether a book balances
    #[command(subcommand, after_help = CHECK_HELP)]
    Check(Check),
    /// Serve the book over HTTP
    #[command(after_help = SERVE_HELP)]
    Serve(Serve),
    /// Make, list and revoke the tokens of `serve`
    #[command(subcommand, after_help = TOKEN_HELP)]
    Token(Token),
    /// Watch a program that uses Tallybook: its statements, running and slow ones, N+1 loops, pools
    #[command(after_help = WATCH_HELP)]
    Watch(Watch),
    /// Check the settings and every node they name: problems, why they matter, and the command to run next
    #[command(after_help = DOCTOR_HELP)]
    Doctor(Doctor),
    /// Advise on indexes for the statements of a program, proved on a scratch copy
    #[command(after_help = ADVISE_HELP)]
    Advise(Advise),
    /// Print what happened while `tallybook watch --record` ran
    #[command(after_help = REPORT_HELP)]
    Report(Report),
}

impl Command {
    /// Returns whether the command shows all problems itself, so that the log has nothing to add.
    pub(crate) fn is_report(&self) -> bool {
        matches!(self, Self::Doctor(_) | Self::Serve(Serve { demo: true, .. }))
    }
}

const DEMO_HELP: &str = "\
Without --database it uses sqlite:///./tallybook-demo.db, never DATABASE_URL. It refuses a database with other
tables than a book, and fills only an empty book.

Examples:
  tallybook demo
  tallybook demo --trades 20000 --runs 50         smaller, in seconds
  tallybook demo --database postgresql://ada@localhost/scratch";

const MIGRATE_HELP: &str = "\
Examples:
  tallybook migrate plan                          what an upgrade would do
  tallybook migrate upgrade
  tallybook migrate check                         does the database match its revisions?
  tallybook migrate adopt --dry-run               a database that Alembic made";

const SEED_HELP: &str = "\
Examples:
  tallybook seed
  tallybook seed --portfolios 100 --trades 20000
  tallybook seed --seed 7 --database sqlite:///./other.db";

const BENCH_HELP: &str = "\
Examples:
  tallybook bench indexes
  tallybook bench load --rate 500 --seconds 30";

const CSV_HELP: &str = "\
The first line names the columns, in any order. Money has a decimal point and no thousands separators; times are
YYYY-MM-DD HH:MM:SS.ffffff in UTC. An empty field is NULL; an empty text in a column that may be NULL is written as
two quote characters. Without a column `id`, the database generates identifiers. A row has at most 16 MiB. Texts are
imported as they are: the apostrophes of export --escape-formulas stay.

Examples:
  tallybook export portfolios portfolios.csv
  tallybook import portfolios portfolios.csv
  tallybook export trades - | head";

const EXPORT_HELP: &str = "\
Rows are ordered by identifier. The first line names the columns. Money has a decimal point and no thousands separators;
times are YYYY-MM-DD HH:MM:SS.ffffff in UTC. An empty field is NULL; an empty text in a column that may be NULL is
written as two quote characters. The file appears under its name once it is complete and on disk; until then it is a
hidden file next to it that ends in .part. Values of other programs that the book cannot read, such as NaN or
a date without a time, fail the export, unless --skip-unreadable lists their rows. Lists and messages contain no values.
Texts are written as they are, so that an import restores them. Spreadsheets execute those that look like formulas;
--escape-formulas prevents that.

Exit codes: 0 every row was written; 3 rows were left out; 1 failed, the file is unchanged; 2 wrong usage.

Examples:
  tallybook export portfolios portfolios.csv
  tallybook export trades - | head
  tallybook export trades trades.csv --skip-unreadable rejected.csv
  tallybook export trades for-excel.csv --escape-formulas";

const WATCH_HELP: &str = "\
The program to watch serves its figures at the socket that its DB_MONITOR_SOCKET names; only the same user may read
it. When the program ends, watch waits for it to return. Without a terminal it prints the figures once, as text.
--json prints one report a line, which `tallybook report` reads as well. Times in it are in seconds.

Keys: q quits, tab and shift-tab change the panel, arrows and page keys select, enter shows an entry with its
plan and call site, esc goes back, s changes the order of the statements.

--web serves the same as a page, to this machine only; whoever has an account on it can open the page.

Examples:
  DB_MONITOR_SOCKET=/run/book/figures.sock book-server &
  tallybook watch /run/book/figures.sock
  tallybook watch --web /run/book/figures.sock    as a page in a browser
  tallybook watch --interval 0.5 --sort p99       with DB_MONITOR_SOCKET set here too
  tallybook watch --once | less
  tallybook watch --record monday.jsonl           then: tallybook report monday.jsonl
  tallybook watch --json --interval 60 > day.jsonl";

const DOCTOR_HELP: &str = "\
The doctor changes nothing. It checks all nodes concurrently: each host of DATABASE_URL, which are the candidates for
the primary, and each host of DB_READ_REPLICA_URL. A node that does not answer is a finding. A statement of the doctor
runs for 3 s at most and waits 1 s for a lock. It prints no password. A user who is not a member of
pg_monitor does not see everything; the report says what is left out. docs/doctor.md lists the checks.

Exit codes: 0 no findings, or notes; 3 warnings; 4 critical findings; 1 the doctor failed; 2 wrong usage.

Examples:
  tallybook doctor
  tallybook doctor --database postgresql://ada@db.example/book
  tallybook doctor --within 60                    for nodes that answer slowly
  tallybook doctor --json | jq '.findings[] | {severity, nodes, what, next}'
  tallybook doctor > /tmp/report; [ $? -lt 4 ] || mail -s 'book: critical' oncall < /tmp/report";

const REPORT_HELP: &str = "\
For several reports it prints the difference between the first and the last: counts, totals, quantiles, and what was
slow or found in that time. Quantiles and maxima are marked with * if they cover all the time since the program opened
its database, as in reports of older versions. If the program was restarted in between, only its last run counts.

Examples:
  tallybook report monday.jsonl
  tallybook report monday.jsonl --sort errors
  tallybook report monday.jsonl --totals          the last report alone
  tallybook report monday.jsonl --html monday.html
  tallybook report monday.jsonl --json | jq '.statements[] | {summary, calls}'";

#[derive(Debug, ClapArgs)]
pub(crate) struct Watch {
    /// The socket, instead of DB_MONITOR_SOCKET
    #[arg(value_parser = redact::path())]
    pub(crate) socket: Option<PathBuf>,
    /// Seconds between reports, from 0.1
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) interval: Duration,
    /// Show it in a browser instead: serve the dashboard of the program on this machine
    #[arg(long, conflicts_with_all = ["once", "record", "interval", "sort"])]
    pub(crate) web: bool,
    /// The loopback address of the dashboard; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDRESS", requires = "web")]
    pub(crate) listen: SocketAddr,
    /// Print one report and exit
    #[arg(long)]
    pub(crate) once: bool,
    /// The order of statements
    #[arg(long, default_value = "time")]
    pub(crate) sort: Order,
    /// Append each report to a file, as a line of JSON: about 1 KB a statement
    #[arg(long, value_name = "FILE", value_parser = redact::path())]
    pub(crate) record: Option<PathBuf>,
}

/// Parses the time between two reports.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "it is a number from 0.1 to 86400".to_owned())
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Doctor {
    /// Time limit for each node, in seconds; what was found until then is reported
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=3_600))]
    pub(crate) within: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Report {
    /// A file of reports, one a line
    #[arg(value_parser = redact::path())]
    pub(crate) file: PathBuf,
    /// Print the last report, which covers everything since the program opened its database
    #[arg(long)]
    pub(crate) totals: bool,
    /// Write a page with charts over time instead, which needs no other file
    #[arg(long, value_name = "FILE", conflicts_with = "totals", value_parser = redact::path())]
    pub(crate) html: Option<PathBuf>,
    /// The order of statements
    #[arg(long, default_value = "time")]
    pub(crate) sort: Order,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) size: Size,
    /// Number of times to measure each read
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) runs: u32,
    /// Number of fills that 64 tasks record at the end; 0 records none
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    pub(crate) fills: u32,
}

#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct Limits {
    /// Time limit of the run, in seconds; completed steps stay, and the next run continues there
    #[arg(long, default_value_t = 3600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub(crate) within: u64,
}

/// The time limit of commands that only read, or change little.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct ShortLimits {
    /// Time limit in seconds; an error names who holds the lock that the command waits for
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub(crate) within: u64,
}

/// The time limit of commands that do everything or nothing.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct WholeLimits {
    /// Time limit in seconds; an error names who holds the lock that the command waits for
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
    /// Number of portfolios
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) portfolios: u32,
    /// Number of trades. The book is put together in memory, some 1.2 GB for each million
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub(crate) trades: u32,
    /// The seed; the same one gives the same book
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Import {
    /// The table to import into
    pub(crate) table: TableName,
    /// The file; - is standard input
    #[arg(value_parser = redact::path())]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) limits: WholeLimits,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Export {
    /// The table to export
    pub(crate) table: TableName,
    /// The file; - is standard output
    #[arg(default_value = "-", value_parser = redact::path())]
    pub(crate) file: PathBuf,
    /// Leave out rows that cannot be read, and list them in this file: table, id, column, reason
    #[arg(long, value_name = "FILE", value_parser = redact::path())]
    pub(crate) skip_unreadable: Option<PathBuf>,
    /// Prefix texts that begin with = + - @, a tab or a carriage return with an apostrophe, since spreadsheets
    /// take them for formulas. An import does not remove it
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Returns the lines below `Examples:` in the help of a command and its subcommands.
    fn examples(command: &mut clap::Command) -> Vec<String> {
        let help = command.render_long_help().to_string();
        let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1);
        let own: Vec<_> = lines.take_while(|line| line.starts_with("  ")).map(str::to_owned).collect();
        assert!(!own.is_empty(), "{} has no examples", command.get_name());
        let inner = command.get_subcommands_mut().filter(|inner| inner.get_name() != "help");
        own.iter().cloned().chain(inner.flat_map(examples)).collect()
    }

    /// Returns the words of a `tallybook` command, up to shell syntax or a remark after two spaces.
    fn words(example: &str) -> Option<Vec<&str>> {
        let command = &example[example.find("tallybook ")?..];
        let end = command.find(" | ").into_iter().chain(command.find("  "));
        let end = end.chain(command.find(" >")).chain(command.find(" ||")).min().unwrap_or(command.len());
        Some(command[..end].split(' ').collect())
    }

    #[test]
    fn every_command_has_examples_and_each_can_be_typed() {
        let examples = examples(&mut Args::command());
        let typed: Vec<_> = examples.iter().filter_map(|example| words(example)).collect();
        assert!(typed.len() > 30, "{examples:#?}");
        for words in typed {
            if let Err(error) = Args::try_parse_from(&words) {
                panic!("{words:?}: {error}");
            }
        }
    }
}
