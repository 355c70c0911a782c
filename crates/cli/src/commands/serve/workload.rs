//! The work of a trading back end, with the mistakes that the dashboard is there to show.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use indicatif::ProgressBar;
use rust_decimal::Decimal;
use tallybook::book::{Action, Fill, NewPortfolio, NewTrade, PortfolioId, Portfolios, Trades};
use tallybook::{Database, Retries, Scope, all, params};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::args::Pace;
use crate::commands::demo::naive;
use crate::load;
use crate::load::{Load, Mix};
use crate::samples::{self, Samples};

const SYMBOLS: [&str; 3] = ["AAPL", "MSFT", "NVDA"];
/// Reads a second, and the tasks that run them.
const READS: NonZeroU32 = NonZeroU32::new(60).unwrap();
const READERS: u32 = 4;
/// As long as anybody would look.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);
/// Tasks that record fills, and the pause between two fills of each.
const WRITERS: u64 = 2;
const BETWEEN_FILLS: Duration = Duration::from_millis(150);
const FILLS_OF_AN_ORDER: u64 = 5;
/// The intervals of what goes wrong.
const EVERY_LOOP: Duration = Duration::from_secs(4);
const EVERY_SCAN: Duration = Duration::from_secs(3);
const EVERY_FAILURE: Duration = Duration::from_secs(7);
const EVERY_LONG_SESSION: Duration = Duration::from_secs(20);
const LONG_SESSION: Duration = Duration::from_secs(6);

/// A query without an index: for each of the newest executions it reads all of them, by exchange and price.
const RANKS_OF_PRICES: &str = "SELECT e.id, e.symbol, \
    (SELECT count(*) FROM executions o WHERE o.exchange = e.exchange AND o.price > e.price) \
    FROM executions e ORDER BY e.id DESC LIMIT 60";

/// Running work. Dropping it ends the work.
pub(super) struct Workload(JoinSet<()>);

impl Workload {
    pub(super) async fn start(db: &Database) -> Result<Self> {
        let samples = Arc::new(samples::take(db).await?);
        let mut tasks = JoinSet::new();
        let mix = Mix { samples: samples::take(db).await?, writes: 0, own: None };
        tasks.spawn(read(db.clone(), mix));
        for number in 0..WRITERS {
            let portfolio = portfolio(db, number).await?;
            tasks.spawn(write(db.clone(), portfolio));
        }
        tasks.spawn(loop_over_trades(db.clone(), Arc::clone(&samples)));
        tasks.spawn(rank_prices(db.clone()));
        tasks.spawn(repeat_a_name(db.clone()));
        tasks.spawn(hold_a_session(db.clone()));
        Ok(Self(tasks))
    }

    /// Ends the work, and waits until its sessions are closed.
    pub(super) async fn stop(mut self) {
        self.0.shutdown().await;
    }
}

/// Reads of all kinds, in the proportions of a front end.
async fn read(db: Database, mix: Mix) {
    let load = Load { tasks: READERS, pace: Pace::Open(READS), lasts: FOR_EVER, seed: 1 };
    let _ = load::run(&db, mix, load, &ProgressBar::hidden()).await;
}

async fn portfolio(db: &Database, number: u64) -> Result<PortfolioId> {
    let new = NewPortfolio::new(format!("Demo desk {}", number + 1));
    Ok(db.write(async |session| Portfolios::new(session).create(&new).await).await?.into_value().id)
}

/// Places orders and records their fills, one after another.
async fn write(db: Database, portfolio: PortfolioId) {
    for number in 0.. {
        // A failure shows on the dashboard, and the next order is another one.
        let _ = place_and_fill(&db, portfolio, number).await;
    }
}

async fn place_and_fill(
    db: &Database,
    portfolio: PortfolioId,
    number: u64,
) -> Result<(), tallybook::book::RecordError> {
    sleep(BETWEEN_FILLS).await;
    let symbol = SYMBOLS[number as usize % SYMBOLS.len()];
    let action = if number.is_multiple_of(2) { Action::Buy } else { Action::Sell };
    let new = NewTrade::market(portfolio, action, symbol, Decimal::from(FILLS_OF_AN_ORDER));
    let trade = db
        .write(async |session| -> tallybook::book::Result<_> { Trades::new(session).create(&new).await })
        .await?
        .into_value();
    for part in 0..FILLS_OF_AN_ORDER {
        let price = Decimal::new(10_000 + (number * 37 % 401).cast_signed(), 2);
        let fill = Fill {
            exchange: Some("XNAS".to_owned()),
            ..Fill::new(trade.id, format!("DEMO:{}:{part}", trade.id), Decimal::ONE, price)
        };
        let mut retries = Retries::new();
        while let Err(error) = db.write(async |session| Trades::new(session).record(&fill).await).await {
            match error.database() {
                Some(database) if retries.again(database).await => {}
                _ => return Err(error),
            }
        }
        sleep(BETWEEN_FILLS).await;
    }
    Ok(())
}

/// An N+1 loop: a statement for the trades, then one for the executions of each.
async fn loop_over_trades(db: Database, samples: Arc<Samples>) {
    let mut turns = interval(EVERY_LOOP);
    loop {
        turns.tick().await;
        let scope = Scope::new("GET /portfolios/{id}/executions");
        let _ = scope.run(async { naive(&mut db.read().await?, &samples).await }).await;
    }
}

async fn rank_prices(db: Database) {
    let mut turns = interval(EVERY_SCAN);
    loop {
        turns.tick().await;
        if let Ok(mut session) = db.read().await {
            let _ = session.run(all::<(i64, String, i64)>(RANKS_OF_PRICES, params![])).await;
        }
    }
}

/// Fails: the name of a portfolio is taken.
async fn repeat_a_name(db: Database) {
    let mut turns = interval(EVERY_FAILURE);
    loop {
        turns.tick().await;
        let _ = portfolio(&db, 0).await;
    }
}

/// Holds a session while it waits for something else.
async fn hold_a_session(db: Database) {
    let mut turns = interval(EVERY_LONG_SESSION);
    loop {
        turns.tick().await;
        if let Ok(mut session) = db.read().await {
            let _ = session.run(all::<(i64,)>("SELECT count(*) FROM positions", params![])).await;
            sleep(LONG_SESSION).await;
        }
    }
}
