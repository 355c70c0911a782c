//! What can be asked of the benchmark.

use std::path::PathBuf;

use clap::Parser;

/// Measures what it costs to choose a server, on a private primary with two replicas.
#[derive(Debug, Parser)]
pub struct Options {
    /// Rounds; every round goes every way once.
    #[arg(long, value_name = "COUNT", default_value_t = 41, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Reads of a round.
    #[arg(long, value_name = "COUNT", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub reads: u32,
    /// Write everything that was measured to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}
