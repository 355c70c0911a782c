//! Messages and system calls of an operation: `cargo run --release --bin wire -- --help`.

use clap::Parser;
use tallybook_bench::book::wire::{Options, run};

fn main() -> anyhow::Result<()> {
    run(&Options::parse())
}
