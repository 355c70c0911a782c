//! The pool beside deadpool, bb8 and sqlx: `cargo run --release --bin pool -- --help`.

use clap::Parser;
use tallybook_bench::pool::{Options, run};

fn main() -> anyhow::Result<()> {
    run(&Options::parse())
}
