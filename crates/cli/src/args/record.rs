//! The command line of `tallybook record`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{WholeLimits, redact};

pub(super) const RECORD_HELP: &str = "\
The first line names the columns, in any order:
  execution_id      the venue's identifier, unique in the book; where a venue repeats its identifiers, put what tells
                    them apart in front, as in NASDAQ:AAPL:0001
  trade_id          the order
  quantity, price   more than zero; with a decimal point and no thousands separators
  commission, fees, exchange, metadata_json         optional
  executed_at       optional: YYYY-MM-DD HH:MM:SS.ffffff in UTC; else the time of the import
  accept_over_fill  optional: true accepts, and marks, a fill beyond the ordered quantity
  reverses          optional: the identifier of an execution that this line takes back; trade_id, quantity and price are
                    empty then

Each batch of lines is one transaction: all of it is recorded or nothing. A line that cannot be recorded ends the
command and is named; what was recorded before stays. The same command again continues: fills that are recorded
already are counted and change nothing, so it may run after a crash, and after a commit whose outcome is unknown.

Exit codes: 0 every line is recorded; 1 failed, and it says how much is recorded; 2 wrong usage.

Examples:
  tallybook record fills.csv
  tallybook record fills.csv --batch 100
  zcat fills.csv.gz | tallybook record -
  tallybook record fills.csv --json | jq .new";

#[derive(Debug, ClapArgs)]
pub(crate) struct Record {
    /// The file of fills; - is standard input
    #[arg(value_parser = redact::path())]
    pub(crate) file: PathBuf,
    /// Number of lines in one transaction
    #[arg(long, default_value_t = 1_000, value_name = "LINES", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch: u32,
    #[command(flatten)]
    pub(crate) limits: WholeLimits,
}
