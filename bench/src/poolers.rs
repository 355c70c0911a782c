//! Measures reads of a portfolio with its relations through PgBouncer, with and without prepared statements.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use serde::Serialize;
use tallybook::book::{PortfolioId, Portfolios, upgrade};
use tallybook::{Database, Settings, execute, params};
use tallybook_testkit::{Cluster, PgBouncer};

use crate::json;
use crate::machine::Machine;
use crate::runtime::runtime;
use crate::table::{quartiles, table, time};
use crate::tally::Tally;

const PORTFOLIOS: i64 = 100;
const SEED: [&str; 2] = [
    "INSERT INTO portfolios (id, name, initial_capital, current_capital, currency, created_at, updated_at) \
     SELECT n, 'portfolio ' || n, 1, 1, 'USD', now(), now() FROM generate_series(1, 100) AS n",
    "INSERT INTO positions (portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, \
     position_type, entry_date, created_at, updated_at) \
     SELECT portfolio, 'S' || n, 10.5, 101.25, 102.5, 13.125, 0, 'LONG', now(), now(), now() \
     FROM generate_series(1, 100) AS portfolio, generate_series(1, 20) AS n",
];

/// Measures reads through the PgBouncer that is first in the PATH, in its modes, and without it.
#[derive(Debug, Parser)]
pub struct Options {
    /// Rounds; every round goes every way once.
    #[arg(long, value_name = "COUNT", default_value_t = 21, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Reads of a round, one after the other.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub reads: u32,
    /// Write everything that was measured to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// One way to the server.
#[derive(Serialize)]
struct Outcome {
    way: &'static str,
    prepared: Tally,
    unprepared: Tally,
    ratio: Tally,
}

#[derive(Serialize)]
struct Report {
    machine: Machine,
    outcomes: Vec<Outcome>,
}

/// Starts a server and PgBouncer in two modes, measures every way in turns, and prints the times.
///
/// # Errors
/// If a server does not start or a read fails.
pub fn run(options: &Options) -> Result<()> {
    let server = Cluster::start()?;
    let url = server.url("postgres");
    let session = PgBouncer::start(&url, "pool_mode = session");
    let transaction = PgBouncer::start(&url, "pool_mode = transaction");
    let ways = [
        ("directly", url.clone()),
        ("session mode", session.url(&url)),
        ("transaction mode", transaction.url(&url)),
    ];
    let machine = Machine::look(&url, &["tallybook", "tokio"])?;
    let outcomes = runtime()?.block_on(measure(options, &ways))?;
    let rows = outcomes.iter().map(|Outcome { way, prepared, unprepared, ratio }| {
        let ratio = quartiles(ratio, |ratio| format!("{ratio:.2}"));
        [(*way).to_owned(), quartiles(prepared, time), quartiles(unprepared, time), ratio]
    });
    let head = ["a portfolio with its relations, one task", "prepared", "not prepared", "ratio"];
    println!("{machine}\n{}", table(head, rows));
    json::write(&Report { machine, outcomes }, options.json.as_deref())
}

async fn measure(options: &Options, ways: &[(&'static str, String)]) -> Result<Vec<Outcome>> {
    seed(&ways[0].1).await?;
    let mut databases = Vec::new();
    for (_, url) in ways {
        databases.push([Database::open(Settings::new(url)?).await?, open_unprepared(url).await?]);
    }
    let mut times = vec![[Vec::new(), Vec::new()]; ways.len()];
    // The first round warms up.
    for round in 0..=options.rounds {
        for (pair, (times, (way, _))) in databases.iter().zip(times.iter_mut().zip(ways)) {
            for (db, times) in pair.iter().zip(times) {
                let time = read(db, options.reads).await.context(*way)?;
                times.extend((round > 0).then_some(time));
            }
        }
    }
    let outcome = |((way, _), [prepared, unprepared]): (&(&'static str, String), [Vec<f64>; 2])| Outcome {
        way,
        ratio: Tally::of_ratio(&unprepared, &prepared),
        prepared: Tally::of(prepared),
        unprepared: Tally::of(unprepared),
    };
    Ok(ways.iter().zip(times).map(outcome).collect())
}

async fn seed(url: &str) -> Result<()> {
    let db = Database::open(Settings::new(url)?).await?;
    upgrade(&db).await?;
    for sql in SEED {
        db.write(async |session| session.run(execute(sql, params![])).await).await?;
    }
    Ok(())
}

async fn open_unprepared(url: &str) -> Result<Database> {
    let mut settings = Settings::new(url)?;
    settings.statement_cache_size = 0;
    Ok(Database::open(settings).await?)
}

/// Returns the nanoseconds of a read.
async fn read(db: &Database, reads: u32) -> Result<f64> {
    let start = Instant::now();
    for number in 0..reads {
        let id = PortfolioId::new(i64::from(number) % PORTFOLIOS + 1);
        let mut session = db.read().await?;
        Portfolios::new(&mut session).get_with_all_relations(id).await?.context("no such portfolio")?;
    }
    Ok(start.elapsed().as_nanos() as f64 / f64::from(reads))
}
