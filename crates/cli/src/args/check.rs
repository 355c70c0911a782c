//! The command line of `tallybook check`.

use clap::{Args as ClapArgs, Subcommand};

use super::WholeLimits;

pub(super) const CHECK_HELP: &str = "\
Examples:
  tallybook check book                            does every figure follow from executions?";

const BOOK_HELP: &str = "\
It reads all executions once, in the order in which they were recorded, folds them again, and compares the result with
the stored rows: the fills of each order, the positions, the cash of portfolios, the totals of trading sessions. It
reads one snapshot, needs memory for the portfolios, positions and sessions only, and changes nothing. The figures
that differ are shown: this is the purpose of the command, so mind who reads its output.

A book that only `record` has kept balances to the last digit. Databases that other programs filled differ; each
difference has a kind, and the report explains the kinds. Deposits and opening positions that no execution made are
differences too.

--repair prints the SQL that would set what the executions say, and changes nothing. Each update changes its row only
while that holds the figure that was found. Positions of one symbol are merged into the oldest; the others are deleted
unless other rows refer to them. --apply runs it in one transaction: it locks the portfolios, checks again, and
refuses if anything has changed since. Nobody can record meanwhile. Make a backup first.

Exit codes: 0 it balances, or everything was repaired; 3 there are differences; 1 it could not be checked; 2 wrong
usage.

Examples:
  tallybook check book
  tallybook check book --all | less
  tallybook check book --json | jq .kinds
  tallybook check book --repair > repair.sql      look at it
  tallybook check book --repair --apply           asks before it changes anything
  tallybook check book --repair --apply --yes";

#[derive(Debug, Subcommand)]
pub(crate) enum Check {
    /// Fold all executions again and compare: positions, cash, fills, totals; shows what differs, and repairs it
    #[command(after_help = BOOK_HELP)]
    Book(CheckBook),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CheckBook {
    /// Show all differences, not only the first 50; they are kept in memory until the end
    #[arg(long)]
    pub(crate) all: bool,
    /// Print the SQL that would correct the differences
    #[arg(long)]
    pub(crate) repair: bool,
    /// Correct them, after a question
    #[arg(long, requires = "repair")]
    pub(crate) apply: bool,
    /// Do not ask
    #[arg(long, requires = "apply")]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) limits: WholeLimits,
}
