//! The program `tallybook`: migrates, fills, moves and tries a book, looks what is wrong with its database, and
//! watches programs that use the engine.

mod args;
mod atomic_file;
mod bound;
mod commands;
mod csv;
mod database;
mod doctor;
mod figures;
mod interrupt;
mod load;
mod output;
mod progress;
mod samples;
mod scratch;
mod seed;
mod watch;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let args = args::read();
    output::start_log(args.command.is_report());
    match commands::run(args).await {
        Ok(code) => code,
        Err(error) => output::report(&error),
    }
}
