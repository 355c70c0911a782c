//! Many tasks record fills of the same orders at once; then the books are folded again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use chrono::TimeDelta;
use indicatif::ProgressBar;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use serde::Serialize;
use tallybook::book::bookkeeping::{Holding, OrderFill, currency_scale};
use tallybook::book::{
    Action, Fill, NewPortfolio, NewTrade, PortfolioId, Portfolios, Positions, RecordError, Recorded, Trade,
    TradeId, TradeStatus, Trades,
};
use tallybook::{Database, ReadSession, Retries, now};

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
    /// What the executions add up to and the book does not hold; empty if it balances.
    pub(super) differences: Vec<String>,
}

impl Scene {
    pub(super) fn fills_per_second(&self) -> u64 {
        (self.fills as f64 / self.seconds.max(1e-9)) as u64
    }
}

/// Returns the number of calls for this many fills, for the progress bar.
pub(super) fn calls(fills: usize) -> u64 {
    (fills + fills.div_ceil(REPEATED)) as u64
}

pub(super) async fn run(db: &Database, fills: usize, bar: &ProgressBar) -> Result<Scene> {
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
        differences: differences(db, &portfolios).await?,
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

/// Folds the executions of portfolios again, and returns what differs.
async fn differences(db: &Database, portfolios: &[PortfolioId]) -> Result<Vec<String>> {
    let mut session = db.read().await?;
    let mut differences = Vec::new();
    for portfolio in portfolios {
        differences.extend(differences_of(&mut session, *portfolio).await?);
    }
    Ok(differences)
}

async fn differences_of(session: &mut ReadSession, id: PortfolioId) -> Result<Vec<String>> {
    let stored = Portfolios::new(session).get_with_positions(id).await?.context("the portfolio is gone")?;
    let held: BTreeMap<_, _> = stored
        .positions
        .into_iter()
        .map(|row| {
            let (quantity, average_cost, realized_pnl) = (row.quantity, row.average_cost, row.realized_pnl);
            (row.symbol, Holding { quantity, average_cost, realized_pnl })
        })
        .collect();
    let end = now();
    let mut differences = Vec::new();
    if held != Positions::new(session).holdings_at(id, end).await? {
        differences.push(format!("positions of portfolio {id}"));
    }
    let equity = Portfolios::new(session).equity(id, &[end], |_, _| Some(Decimal::ZERO)).await?;
    if equity.iter().any(|equity| equity.cash != stored.portfolio.current_capital) {
        differences.push(format!("cash of portfolio {id}"));
    }
    let scale = currency_scale(&stored.portfolio.currency);
    for loaded in Trades::new(session).get_by_portfolio_with_executions(id, ORDERS as u32).await? {
        let (trade, mut executions) = (loaded.trade, loaded.executions);
        executions.sort_by_key(|execution| execution.id);
        let mut folded = Trade {
            status: TradeStatus::Pending,
            filled_quantity: Decimal::ZERO,
            average_fill_price: None,
            filled_at: None,
            realized_pnl: None,
            ..trade.clone()
        };
        for execution in executions {
            let realized_pnl = execution.realized_pnl.unwrap_or_default();
            let (quantity, price, executed_at) = (execution.quantity, execution.price, execution.executed_at);
            let fill = OrderFill { quantity, price, realized_pnl, executed_at };
            let Ok(step) = fill.applied_to(&folded, scale) else { continue };
            (folded.status, folded.filled_quantity) = (step.status, step.filled_quantity);
            (folded.average_fill_price, folded.filled_at) = (step.average_fill_price, step.filled_at);
            folded.realized_pnl = Some(step.realized_pnl);
        }
        if folded != trade {
            differences.push(format!("trade {}", trade.id));
        }
    }
    Ok(differences)
}
