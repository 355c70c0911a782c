//! The time and the memory of `tallybook check book` on a large book. Not part of the suite:
//!
//! `cargo test --release -p tallybook-cli --test it check_at_size -- --ignored --nocapture --test-threads 1`

use std::io::{self, Write};
use std::time::Instant;

use rust_decimal::Decimal;
use tallybook::book::bookkeeping::{Holding, HoldingFill, OrderFill};
use tallybook::book::{
    Action, Execution, NewTrade, Portfolio, Position, PositionType, Repository, SessionStatus, SessionType,
    Table, Trade, TradeId, TradeStatus, TradingSession,
};
use tallybook::{Database, Settings, WriteSession, now};
use tallybook_testkit::{SqliteFile, postgres};

use crate::support::Program;

const EXECUTIONS: u64 = 1_000_000;
const PORTFOLIOS: usize = 100;
const SYMBOLS: usize = 20;
/// Orders of a portfolio that are open at one time.
const OPEN: usize = 3;
/// Fills of an order.
const FILLS: u64 = 4;
const CAPITAL: Decimal = Decimal::from_parts(100_000, 0, 0, false, 0);
/// Decimals of `USD`.
const SCALE: u32 = 2;

/// Makes a book as `record` keeps it: the same one each time.
struct Maker {
    dice: u64,
    executions: u64,
    trades: i64,
    open: Vec<Trade>,
    holdings: Vec<Holding>,
    cash: Vec<Decimal>,
    profits: Vec<Decimal>,
    tallies: Vec<(i64, i64, i64)>,
}

impl Maker {
    fn new() -> Self {
        let mut maker = Self {
            dice: 7,
            executions: 0,
            trades: 0,
            open: Vec::new(),
            holdings: vec![Holding::default(); PORTFOLIOS * SYMBOLS],
            cash: vec![CAPITAL; PORTFOLIOS],
            profits: vec![Decimal::ZERO; PORTFOLIOS],
            tallies: vec![(0, 0, 0); PORTFOLIOS],
        };
        for index in 0..PORTFOLIOS * OPEN {
            let order = maker.order(index / OPEN);
            maker.open.push(order);
        }
        maker
    }

    fn below(&mut self, end: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % end
    }

    fn order(&mut self, portfolio: usize) -> Trade {
        self.trades += 1;
        // The same in each run, since a run makes the orders and another one their executions.
        let created_at = chrono::DateTime::from_timestamp(1_700_000_000 + self.trades, 0).unwrap();
        let action = if self.below(2) == 0 { Action::Buy } else { Action::Sell };
        let symbol = format!("SYM{:02}", self.below(SYMBOLS as u64));
        let quantity = Decimal::from(FILLS * (1 + self.below(50)));
        let new = NewTrade {
            session_id: Some((portfolio as i64 + 1).into()),
            created_at,
            updated_at: created_at,
            ..NewTrade::market((portfolio as i64 + 1).into(), action, symbol, quantity)
        };
        new.with_id(TradeId::new(self.trades))
    }

    /// Returns the next execution, and its order if it is complete.
    fn step(&mut self) -> (Execution, Option<Trade>) {
        let index = self.below((PORTFOLIOS * OPEN) as u64) as usize;
        let portfolio = index / OPEN;
        let (price, commission) =
            (Decimal::new(1_000 + self.below(20_000) as i64, 2), Decimal::new(self.below(200) as i64, 2));
        let order = &mut self.open[index];
        let before = count(order);
        let quantity = order.quantity / Decimal::from(FILLS);
        let signed = if order.action == Action::Buy { quantity } else { -quantity };
        let symbol: usize = order.symbol[3..].parse().unwrap();
        let holding = &mut self.holdings[portfolio * SYMBOLS + symbol];
        let fill = HoldingFill { quantity: signed, price, commission, fees: Decimal::ZERO };
        let (after, moved) = holding.after(&fill, SCALE).unwrap();
        *holding = after;
        self.cash[portfolio] += moved.cash;
        self.profits[portfolio] += moved.realized_pnl;
        let executed_at = order.created_at;
        let fill = OrderFill { quantity, price, realized_pnl: moved.realized_pnl, executed_at };
        let step = fill.applied_to(order, SCALE).unwrap();
        order.filled_quantity = step.filled_quantity;
        order.average_fill_price = step.average_fill_price;
        order.realized_pnl = Some(step.realized_pnl);
        order.status = step.status;
        order.filled_at = step.filled_at;
        let (tally, now) = (&mut self.tallies[portfolio], count(order));
        *tally = (tally.0 + now.0 - before.0, tally.1 + now.1 - before.1, tally.2 + now.2 - before.2);
        self.executions += 1;
        let execution = Execution {
            id: (self.executions as i64).into(),
            trade_id: order.id,
            symbol: order.symbol.clone(),
            quantity,
            price,
            execution_type: step.execution_type,
            commission,
            fees: Decimal::ZERO,
            exchange: None,
            execution_id: Some(format!("v-{}", self.executions)),
            executed_at,
            metadata_json: None,
            realized_pnl: Some(moved.realized_pnl),
            reverses_id: None,
            mark: None,
        };
        let is_complete = order.status == TradeStatus::Filled;
        let complete = is_complete.then(|| {
            let next = self.order(portfolio);
            std::mem::replace(&mut self.open[index], next)
        });
        (execution, complete)
    }

    fn portfolio(&self, index: usize) -> Portfolio {
        Portfolio {
            id: (index as i64 + 1).into(),
            name: format!("portfolio {index}"),
            description: None,
            initial_capital: CAPITAL,
            current_capital: self.cash[index],
            currency: "USD".to_owned(),
            created_at: now(),
            updated_at: now(),
            metadata_json: None,
        }
    }

    fn session(&self, index: usize) -> TradingSession {
        let (total_trades, winning_trades, losing_trades) = self.tallies[index];
        TradingSession {
            id: (index as i64 + 1).into(),
            portfolio_id: (index as i64 + 1).into(),
            session_type: SessionType::Paper,
            status: SessionStatus::Active,
            name: None,
            description: None,
            max_position_size: None,
            max_portfolio_exposure: None,
            stop_loss_percentage: None,
            take_profit_percentage: None,
            starting_capital: CAPITAL,
            current_capital: self.cash[index],
            total_pnl: self.profits[index],
            total_trades,
            winning_trades,
            losing_trades,
            started_at: now(),
            stopped_at: None,
            metadata_json: None,
        }
    }

    fn position(&self, index: usize) -> Position {
        let Holding { quantity, average_cost, realized_pnl } = self.holdings[index];
        let position_type = if quantity < Decimal::ZERO { PositionType::Short } else { PositionType::Long };
        Position {
            id: (index as i64 + 1).into(),
            portfolio_id: ((index / SYMBOLS) as i64 + 1).into(),
            symbol: format!("SYM{:02}", index % SYMBOLS),
            quantity,
            average_cost,
            current_price: average_cost,
            unrealized_pnl: Decimal::ZERO,
            realized_pnl,
            position_type,
            entry_date: None,
            created_at: now(),
            updated_at: now(),
            metadata_json: None,
        }
    }
}

/// Returns what an order counts for in its trading session.
fn count(order: &Trade) -> (i64, i64, i64) {
    let realized = order.realized_pnl.unwrap_or_default();
    let count = |is: bool| i64::from(is);
    (
        count(order.filled_quantity > Decimal::ZERO),
        count(realized > Decimal::ZERO),
        count(realized < Decimal::ZERO),
    )
}

/// Bulk loads rows with their identifiers.
async fn load<T: Table<Key = i64>>(session: &mut WriteSession, rows: impl Iterator<Item = T>) {
    let mut repository = Repository::<_, T>::new(session);
    let mut load = repository.bulk_load(None).await.unwrap();
    for row in rows {
        load.write(&row).await.unwrap();
    }
    load.finish().await.unwrap();
}

async fn fill(url: &str) {
    let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
    let mut maker = Maker::new();
    let mut trades: Vec<_> = (0..EXECUTIONS).filter_map(|_| maker.step().1).collect();
    trades.append(&mut maker.open);
    let mut session = db.begin().await.unwrap();
    load(&mut session, (0..PORTFOLIOS).map(|index| maker.portfolio(index))).await;
    load(&mut session, (0..PORTFOLIOS).map(|index| maker.session(index))).await;
    load(&mut session, (0..PORTFOLIOS * SYMBOLS).map(|index| maker.position(index))).await;
    load(&mut session, trades.into_iter()).await;
    let mut again = Maker::new();
    load(&mut session, (0..EXECUTIONS).map(|_| again.step().0)).await;
    session.commit().await.unwrap();
    db.close().await;
}

/// Returns a figure of a process in MB: `RssAnon` is its own memory, `VmHWM` the most it ever had in all, with the pages of an
/// SQLite file that it maps, which the system takes back when it needs them.
fn memory(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or_default().div_ceil(1024)
}

async fn measure(url: &str) {
    let program = Program::new();
    program.run(&format!("migrate upgrade --database {url}")).ok();
    fill(url).await;
    let began = Instant::now();
    let mut child = program.command(&format!("check book --json --database {url}")).spawn().unwrap();
    let (mut own, mut whole) = (0, 0);
    let status = loop {
        own = own.max(memory(child.id(), "RssAnon"));
        whole = whole.max(memory(child.id(), "VmHWM"));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let seconds = began.elapsed().as_secs_f64();
    let dialect = url.split(':').next().unwrap();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{EXECUTIONS} executions, {dialect}: {seconds:.1} s, {own} MB of its own, {whole} MB in all"
    )
    .unwrap();
    assert!(status.success() && own < 100);
}

#[tokio::test]
#[ignore = "it measures, and takes minutes"]
async fn a_million_executions_in_a_file_are_checked_in_less_than_100_mb() {
    measure(&SqliteFile::new("check").url()).await;
}

#[tokio::test]
#[ignore = "it measures, and takes minutes"]
async fn a_million_executions_on_a_server_are_checked_in_less_than_100_mb() {
    measure(postgres().await.database("check").await.url()).await;
}
