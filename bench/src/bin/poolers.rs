//! Reads through PgBouncer: `cargo run --release --bin poolers -- --help`.

use clap::Parser;
use tallybook_bench::poolers::{Options, run};

fn main() -> anyhow::Result<()> {
    run(&Options::parse())
}
