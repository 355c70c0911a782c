//! A failover under load: `cargo run --release --bin failover -- --help`.

use clap::Parser;
use tallybook_bench::failover::{Options, run};

fn main() -> anyhow::Result<()> {
    run(&Options::parse())
}
