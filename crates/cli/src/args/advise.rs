//! The command line of `tallybook advise`.

use std::path::PathBuf;

use clap::{ArgGroup, Args as ClapArgs};

use super::redact;

pub(super) const ADVISE_HELP: &str = "\
It takes the statements that a program really ran, from its socket, a recording or pg_stat_statements, and tries the
indexes that could serve them on a scratch copy: an anonymous temporary file on SQLite, temporary tables of its own
connection on PostgreSQL. Both vanish with the command, even if it is killed. Nothing in the database is changed.
Of tables with more rows than --rows it copies a sample. Advice is measured: work before and after, times, size, and
what an insert costs. It shows no parameters, but a partial index has a constant of the program's SQL as its condition.

A recording contains parameters, which are values of rows: keep it as you keep the database. It can be read by its
owner alone. pg_stat_statements knows no parameters, so PostgreSQL plans generically and nothing is run.

--revision prints a revision with the advised indexes, in Rust and in SQL. --after compares with the output of an
earlier --json, once the indexes are there: the promise beside the gain.

Exit codes: 0 nothing to do; 3 there is advice; 1 it could not be examined; 2 wrong usage.

Examples:
  tallybook advise --socket /run/book/figures.sock
  tallybook advise --record monday.json           with DB_MONITOR_SOCKET set here too
  tallybook advise --recording monday.json
  tallybook advise --pg-stat-statements --database postgresql://ada@db.example/book
  tallybook advise --recording monday.json --revision 0042
  tallybook advise --json > before.json           apply it, let the program run, then:
  tallybook advise --after before.json";

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("source").args(["socket", "recording", "pg_stat_statements"]))]
pub(crate) struct Advise {
    /// The socket of the program to advise, instead of DB_MONITOR_SOCKET
    #[arg(long, value_name = "PATH", value_parser = redact::path())]
    pub(crate) socket: Option<PathBuf>,
    /// A file written by --record
    #[arg(long, value_name = "FILE", value_parser = redact::path())]
    pub(crate) recording: Option<PathBuf>,
    /// Take the statements that PostgreSQL's extension counted, of all programs, without parameters
    #[arg(long)]
    pub(crate) pg_stat_statements: bool,
    /// Write the statements with their parameters to a file and exit
    #[arg(long, value_name = "FILE", value_parser = redact::path(), conflicts_with_all = ["recording", "revision", "after"])]
    pub(crate) record: Option<PathBuf>,
    /// Print the revision alone, under this identifier
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "advised_indexes")]
    pub(crate) revision: Option<String>,
    /// Compare with the output of an earlier --json
    #[arg(long, value_name = "FILE", value_parser = redact::path(), conflicts_with = "revision")]
    pub(crate) after: Option<PathBuf>,
    /// Rows copied of a table; of a larger one a sample
    #[arg(long, default_value_t = 100_000, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    pub(crate) rows: u64,
    /// Time limit in seconds; what was found until then is printed
    #[arg(long, default_value_t = 120, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) within: u64,
}
