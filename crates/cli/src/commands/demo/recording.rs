//! Many tasks record fills of the same orders at once; then the whole book is checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Result;
use chrono::TimeDelta;
use indicatif::ProgressBar;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use serde::Serialize;
use tallybook::book::{
    Action, BookCheck, Fill, NewPortfolio, NewTrade, PortfolioId, Portfolios, RecordError, Recorded, TradeId,
    Trades, check_book,
};
use tallybook::{Database, Retries, now};

const TASKS: usize = 64;
const PORTFOLIOS: usize = 3;
const ORDERS: usize = 20;
/// One fill of this many is sent twice.
const REPEATED: usize = 10;
const SYMBOLS: [&str; 3] = ["AAPL", "MSFT", "NVDA"];

/// The figures of the scene.
#[derive(Debug, Serialize)]
pub(super) struct Scene {
    pub(super) tasks: usize,
    pub(super) portfolios: Vec<PortfolioId>,
    pub(super) orders: usize,
    /// Fills that were recorded.
    pub(super) fills: u64,
    /// Fills that were recognized as recorded before.
    pub(super) repeats: u64,
    pub(super) seconds: f64,
    /// The check of the whole book afterwards.
    pub(super) check: BookCheck,
    /// Differences that the book had before: a demo may run on a book that other programs filled.
    pub(super) differences_before: u64,
}

impl Scene {
    /// Returns whether recording made no difference between the executions and what they add up to.
    pub(super) fn is_balanced(&self) -> bool {
        self.check.discrepancies <= self.differences_before
    }

    pub(super) fn fills_per_second(&self) -> u64 {
        (self.fills as f64 / self.seconds.max(1e-9)) as u64
    }
}

/// Returns the number of calls for this many fills, for the progress bar.
pub(super) fn calls(fills: usize) -> u64 {
    (fills + fills.div_ceil(REPEATED)) as u64
}

/// Records the fills and checks the book. A book that is not new is checked before as well.
pub(super) async fn run(db: &Database, fills: usize, is_new: bool, bar: &ProgressBar) -> Result<Scene> {
    let differences_before = if is_new { 0 } else { check_book(db, |_| ()).await?.discrepancies };
    let (portfolios, fills) = prepare(db, fills).await?;
    let mut sent: Vec<Fill> = fills.iter().chain(fills.iter().step_by(REPEATED)).cloned().collect();
    sent.shuffle(&mut ChaCha8Rng::seed_from_u64(1));
    let (sent, next) = (Arc::new(sent), Arc::new(AtomicUsize::new(0)));
    let (recorded, repeats) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));

    let start = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (db, bar, sent, next) = (db.clone(), bar.clone(), Arc::clone(&sent), Arc::clone(&next));
            let (recorded, repeats) = (Arc::clone(&recorded), Arc::clone(&repeats));
            tokio::spawn(async move {
                while let Some(fill) = sent.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let count = if record(&db, fill).await?.is_repeat { &repeats } else { &recorded };
                    count.fetch_add(1, Ordering::Relaxed);
                    bar.inc(1);
                }
                Ok::<_, RecordError>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(Scene {
        tasks: TASKS,
        orders: ORDERS,
        fills: recorded.load(Ordering::Relaxed),
        repeats: repeats.load(Ordering::Relaxed),
        seconds,
        check: check_book(db, |_| ()).await?,
        differences_before,
        portfolios,
    })
}

/// Records a fill, again after a deadlock and the like.
async fn record(db: &Database, fill: &Fill) -> Result<Recorded, RecordError> {
    let mut retries = Retries::new();
    loop {
        match db.write(async |session| Trades::new(session).record(fill).await).await {
            Ok(recorded) => return Ok(recorded.into_value()),
            Err(error) => match error.database() {
                Some(database) if retries.again(database).await => {}
                _ => return Err(error),
            },
        }
    }
}

/// Places orders of both sides in new portfolios, and returns their fills in the order of time.
async fn prepare(db: &Database, fills: usize) -> Result<(Vec<PortfolioId>, Vec<Fill>)> {
    let started = now() - TimeDelta::hours(1);
    let quantity = |number: usize| Decimal::from(1 + number * 7 % 9);
    let placed = db.write(async |session| -> Result<_, RecordError> {
        let (mut portfolios, mut orders) = (Vec::new(), Vec::new());
        for number in 1..=PORTFOLIOS {
            let new = NewPortfolio::new(format!("Recorded by the demo at {started}, {number}"));
            portfolios.push(Portfolios::new(session).create(&new).await?.id);
        }
        for order in 0..ORDERS {
            let action = if order % 2 == 0 { Action::Buy } else { Action::Sell };
            let (portfolio, symbol) = (portfolios[order % PORTFOLIOS], SYMBOLS[order / 2 % SYMBOLS.len()]);
            let ordered = (order..fills).step_by(ORDERS).map(quantity).sum();
            let new = NewTrade::market(portfolio, action, symbol, ordered);
            orders.push(Trades::new(session).create(&new).await?.id);
        }
        Ok((portfolios, orders))
    });
    let (portfolios, orders): (_, Vec<TradeId>) = placed.await?.into_value();
    let fill = |number: usize| {
        let order = orders[number % ORDERS];
        let price = Decimal::new(10_000 + (number * 37 % 401) as i64, 2);
        let name = format!("DEMO:{order}:{number}");
        Fill::new(order, name, quantity(number), price)
            .commission(Decimal::new(35, 2))
            .executed_at(started + TimeDelta::milliseconds(number as i64))
    };
    Ok((portfolios, (0..fills).map(fill).collect()))
}
