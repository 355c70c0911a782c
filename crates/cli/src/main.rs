//! The program `tallybook`: migrates, fills, moves and tries a book, and watches programs that use
//! the engine.

mod args;
mod commands;
mod csv;
mod database;
mod figures;
mod load;
mod output;
mod progress;
mod samples;
mod scratch;
mod seed;
mod watch;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    output::start_log();
    match commands::run(args::Args::parse()).await {
        Ok(code) => code,
        Err(error) => output::report(&error),
    }
}
