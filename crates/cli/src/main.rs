//! The program `tallybook`: migrates, fills, moves and tries a book.

mod args;
mod commands;
mod csv;
mod database;
mod output;
mod progress;
mod seed;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    output::start_log();
    match commands::run(args::Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::report(&error),
    }
}
