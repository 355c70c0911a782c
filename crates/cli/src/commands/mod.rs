//! The commands.

mod advise;
mod bench;
mod check;
mod demo;
mod doctor;
mod export;
mod import;
mod migrate;
mod record;
mod report;
mod seed;
mod serve;
mod token;
mod unreadable;
mod watch;

use std::process::ExitCode;

use anyhow::Result;

use crate::args::{Args, Check, Command};
use crate::database::Endpoint;

pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let target = Endpoint::new(args.database);
    match args.command {
        Command::Demo(demo) => demo::run(target, &demo, args.json).await,
        Command::Migrate(command) => return migrate::run(target, &command, args.json).await,
        Command::Doctor(doctor) => return doctor::run(target, &doctor, args.json).await,
        Command::Advise(advise) => return advise::run(target, &advise, args.json).await,
        Command::Seed(seed) => seed::run(target, &seed, args.json).await,
        Command::Bench(bench) => bench::run(target, &bench, args.json).await,
        Command::Import(import) => import::run(target, &import, args.json).await,
        Command::Export(export) => return export::run(target, &export, args.json).await,
        Command::Record(record) => record::run(target, &record, args.json).await,
        Command::Check(Check::Book(check)) => return check::run(target, &check, args.json).await,
        Command::Serve(serve) => serve::run(target, &serve, args.json).await,
        Command::Token(token) => token::run(target, &token, args.json).await,
        Command::Watch(watch) => watch::run(watch, args.json).await,
        Command::Report(report) => report::run(&report, args.json),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Calls a generic function with the model of a table.
macro_rules! for_table {
    ($table:expr, $function:ident($($argument:expr),*)) => {
        match $table {
            $crate::args::TableName::Portfolios => $function::<tallybook::book::Portfolio>($($argument),*).await,
            $crate::args::TableName::Positions => $function::<tallybook::book::Position>($($argument),*).await,
            $crate::args::TableName::Trades => $function::<tallybook::book::Trade>($($argument),*).await,
            $crate::args::TableName::Executions => $function::<tallybook::book::Execution>($($argument),*).await,
            $crate::args::TableName::TradingSessions => $function::<tallybook::book::TradingSession>($($argument),*).await,
        }
    };
}

use for_table;
