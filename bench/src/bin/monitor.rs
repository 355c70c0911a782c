//! What monitoring costs: `cargo run --release --bin monitor -- --help`.

use clap::Parser;
use tallybook_bench::monitor::{Options, run};

fn main() -> anyhow::Result<()> {
    run(&Options::parse())
}
