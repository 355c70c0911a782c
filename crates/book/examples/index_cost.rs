//! What `ix_trades_updated` costs those who record executions: the rate with and without it, in alternating rounds.
//!
//! ```sh
//! cargo run --release -p tallybook-book --example index_cost -- 7   # seven rounds; without a number, a short trial
//! ```

#![recursion_limit = "256"]
#![allow(clippy::print_stdout, reason = "its result")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tallybook::book::{
    Action, Fill, NewPortfolio, NewTrade, Portfolios, RecordError, TradeId, Trades, upgrade,
};
use tallybook::{Database, Dialect, Session, Settings, Statement, execute, one, params};

const TASKS: usize = 16;
/// Fills of a measured round.
const FILLS: usize = 2_048;
/// Fills of the round that runs without arguments.
const TRIAL: usize = 128;
/// Fills of an order: the first two thirds of them leave its status as it is.
const FILLS_OF_ORDER: usize = 4;

const DROP: &str = "DROP INDEX ix_trades_updated";
const CREATE: &str = "CREATE INDEX ix_trades_updated ON trades (updated_at, id)";

/// Bytes of the log, updated trades, and those updated without a new entry in any index.
const POSTGRES: Statement = Statement::per_dialect(
    "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint, n_tup_upd, n_tup_hot_upd \
     FROM pg_stat_user_tables WHERE relname = 'trades'",
    "SELECT 0, 0, 0",
);

#[tokio::main]
async fn main() {
    let rounds = std::env::args().nth(1).map(|rounds| rounds.parse().unwrap());
    let (rounds, fills) = rounds.map_or((1, TRIAL), |rounds| (rounds, FILLS));
    let file = tallybook_testkit::SqliteFile::new("index_cost");
    measure(&file.url(), rounds, fills).await;
    let server = tallybook_testkit::postgres().await;
    let database = server.database("index_cost").await;
    measure(database.url(), rounds, fills).await;
}

async fn measure(url: &str, rounds: usize, fills: usize) {
    let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
    upgrade(&db).await.unwrap();
    let mut rates = [Vec::new(), Vec::new()];
    let mut figures = [[0; 3]; 2];
    for round in 0..2 * rounds + 2 {
        let without = round % 2;
        run(&db, if without == 1 { DROP } else { "SELECT 1" }).await;
        let before = postgres(&db).await;
        let rate = record(&db, round, fills).await;
        let after = postgres(&db).await;
        // The first two rounds warm up.
        if round >= 2 {
            rates[without].push(rate);
            for (sum, (after, before)) in figures[without].iter_mut().zip(after.into_iter().zip(before)) {
                *sum += after - before;
            }
        }
        run(&db, if without == 1 { CREATE } else { "SELECT 1" }).await;
    }
    for (index, (rates, [wal, updated, hot])) in
        ["with", "without"].into_iter().zip(rates.iter_mut().zip(figures))
    {
        rates.sort_by(f64::total_cmp);
        print!("{} {index} the index: {:.0} fills/s (median of {rounds})", db.dialect(), rates[rounds / 2]);
        if db.dialect() == Dialect::Postgres {
            let fills = (fills * rounds) as i64;
            print!(", {} bytes of log a fill, {:.0} % HOT", wal / fills, 100.0 * hot as f64 / updated as f64);
        }
        println!();
    }
}

async fn run(db: &Database, sql: &'static str) {
    if sql.starts_with("SELECT") {
        return;
    }
    db.write(async |session| session.run(execute(sql, params![])).await).await.unwrap();
}

/// Returns figures of PostgreSQL, whose counters follow within a second.
async fn postgres(db: &Database) -> [i64; 3] {
    if db.dialect() == Dialect::Postgres {
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    }
    let (wal, updated, hot) =
        db.read().await.unwrap().fetch(one::<(i64, i64, i64)>(POSTGRES, params![])).await.unwrap();
    [wal, updated, hot]
}

/// Places orders, and returns how many fills of them are recorded in a second.
async fn record(db: &Database, round: usize, fills: usize) -> f64 {
    let orders: Arc<Vec<TradeId>> = Arc::new(
        db.write(async |session| -> Result<_, RecordError> {
            let mut orders = Vec::new();
            for number in 0..8 {
                let new = NewPortfolio::new(format!("{round}.{number}"));
                let portfolio = Portfolios::new(session).create(&new).await?.id;
                let new: Vec<_> = (0..fills / FILLS_OF_ORDER / 8)
                    .map(|n| {
                        NewTrade::market(
                            portfolio,
                            Action::Buy,
                            format!("S{}", n % 10),
                            (FILLS_OF_ORDER as u32).into(),
                        )
                    })
                    .collect();
                orders.extend(Trades::new(session).create_many(&new).await?.iter().map(|trade| trade.id));
            }
            Ok(orders)
        })
        .await
        .unwrap()
        .into_value(),
    );
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (db, orders, next) = (db.clone(), Arc::clone(&orders), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= fills {
                        return;
                    }
                    let fill = Fill::new(
                        orders[number % orders.len()],
                        format!("{round}:{number}"),
                        1.into(),
                        10.into(),
                    );
                    db.write(async |session| Trades::new(session).record(&fill).await).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    fills as f64 / start.elapsed().as_secs_f64()
}
