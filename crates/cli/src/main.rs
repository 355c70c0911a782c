//! The program `tallybook`: migrates, fills, exports, imports, checks and measures a book, diagnoses its database, and
//! watches programs that use Tallybook.

mod advice;
mod args;
mod atomic_file;
mod commands;
mod csv;
mod database;
mod deadline;
mod doctor;
mod figures;
mod fills;
mod interrupt;
mod load;
mod output;
mod progress;
mod samples;
mod seed;
mod temp_database;
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
