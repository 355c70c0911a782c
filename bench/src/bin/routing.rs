//! What choosing a server costs: `cargo run --release --bin routing -- --help`.

use clap::Parser;
use tallybook_bench::routing::{Options, run};

fn main() -> anyhow::Result<()> {
    run(&Options::parse())
}
