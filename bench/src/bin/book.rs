//! The book beside its peers: `cargo run --release --bin book -- --help`.

use clap::Parser;
use tallybook_bench::book::{Options, run};

fn main() -> anyhow::Result<()> {
    run(&Options::parse())
}
