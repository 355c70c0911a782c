//! The trades of one portfolio, with the resulting positions and sessions.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use tallybook::book::{
    Action, Execution, ExecutionId, ExecutionType, OrderType, PortfolioId, Position, PositionId,
    PositionType, Trade, TradeId, TradeStatus, TradingSession,
};

use super::market::Market;
use super::rows::{LastIds, Rows, next};

const EXCHANGES: [&str; 4] = ["NASDAQ", "NYSE", "ARCA", "BATS"];

/// The holding of a symbol.
struct Holding {
    quantity: Decimal,
    average_cost: Decimal,
    realized: Decimal,
    since: DateTime<Utc>,
}

/// Generates the trades of one portfolio in the order of time.
pub(super) struct Trader<'a> {
    market: &'a Market,
    portfolio: PortfolioId,
    watched: Vec<usize>,
    sessions: Vec<TradingSession>,
    holdings: BTreeMap<usize, Holding>,
}

impl<'a> Trader<'a> {
    pub(super) fn new(
        market: &'a Market,
        portfolio: PortfolioId,
        sessions: Vec<TradingSession>,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let count = rng.random_range(3..=25);
        let watched = rand::seq::index::sample(rng, market.symbols(), count).into_vec();
        Self { market, portfolio, watched, sessions, holdings: BTreeMap::new() }
    }

    /// Generates one trade with its executions.
    pub(super) fn trade(
        &mut self,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
        ids: &mut LastIds,
        rng: &mut ChaCha8Rng,
        rows: &mut Rows,
    ) {
        // Squaring favours the first symbols of the list.
        let favour: f64 = rng.random();
        let symbol = self.watched[(favour * favour * self.watched.len() as f64) as usize];
        let held = self.holdings.get(&symbol).map_or(Decimal::ZERO, |holding| holding.quantity);
        let action = if held > Decimal::ZERO && rng.random_bool(0.45) { Action::Sell } else { Action::Buy };
        let quantity = quantity(&action, held, rng);
        let price = self.market.price(symbol, at, 0);

        let mut trade = Trade {
            id: TradeId::new(next(&mut ids.trade)),
            portfolio_id: self.portfolio,
            session_id: self.session_at(at).map(|session| session.id),
            symbol: self.market.name(symbol).to_owned(),
            action,
            quantity,
            order_type: OrderType::Market,
            limit_price: None,
            stop_price: None,
            status: status(at, now, rng),
            filled_quantity: Decimal::ZERO,
            average_fill_price: None,
            created_at: at,
            updated_at: at,
            filled_at: None,
            decision_rationale: rng
                .random_bool(0.3)
                .then(|| RATIONALES[rng.random_range(0..RATIONALES.len())].into()),
            confidence_score: rng.random_bool(0.6).then(|| Decimal::new(rng.random_range(30..=99), 2)),
            metadata_json: None,
            realized_pnl: None,
        };
        order(&mut trade, price, rng);
        let first = rows.executions.len();
        self.fill(&mut trade, symbol, ids, rng, rows);
        self.settle(&trade, symbol, &rows.executions[first..]);
        rows.trades.push(trade);
    }

    /// Adds the executions of a trade that was filled completely or partially.
    fn fill(
        &self,
        trade: &mut Trade,
        symbol: usize,
        ids: &mut LastIds,
        rng: &mut ChaCha8Rng,
        rows: &mut Rows,
    ) {
        let mut left = match trade.status {
            TradeStatus::Filled => trade.quantity,
            TradeStatus::PartiallyFilled => (trade.quantity / Decimal::TWO).round_dp(4),
            _ => return,
        };
        let parts = if left < Decimal::from(4) { 1 } else { rng.random_range(1..=4_u32) };
        let mut value = Decimal::ZERO;
        let mut at = trade.created_at;
        for part in (1..=parts).rev() {
            let quantity = if part == 1 { left } else { (left / Decimal::from(part)).round_dp(0) };
            let price = self.market.price(symbol, at, rng.random_range(-3..=3));
            at += TimeDelta::microseconds(rng.random_range(1_000..30_000_000));
            left -= quantity;
            value += quantity * price;
            trade.filled_quantity += quantity;
            rows.executions.push(execution(trade, quantity, price, at, left.is_zero(), ids, rng));
        }
        trade.average_fill_price = Some((value / trade.filled_quantity).round_dp(4).normalize());
        trade.updated_at = at;
        trade.filled_at = (trade.status == TradeStatus::Filled).then_some(at);
    }

    /// Books the executions: positions at average cost, and the results of the session.
    fn settle(&mut self, trade: &Trade, symbol: usize, executions: &[Execution]) {
        let mut profit = Decimal::ZERO;
        for Execution { quantity, price, commission, .. } in executions {
            let holding = self.holdings.entry(symbol).or_insert_with(|| Holding {
                quantity: Decimal::ZERO,
                average_cost: Decimal::ZERO,
                realized: Decimal::ZERO,
                since: trade.created_at,
            });
            if trade.action == Action::Buy {
                let cost = holding.quantity * holding.average_cost + *quantity * *price;
                holding.quantity += *quantity;
                holding.average_cost = (cost / holding.quantity).round_dp(4);
            } else {
                holding.quantity -= *quantity;
                profit += (*quantity * (*price - holding.average_cost)).round_dp(2);
            }
            profit -= *commission;
        }
        if let Some(holding) = self.holdings.get_mut(&symbol) {
            holding.realized += profit;
        }
        if let Some(session) = self.session_at(trade.created_at) {
            session.total_trades += 1;
            session.winning_trades += i64::from(profit > Decimal::ZERO);
            session.losing_trades += i64::from(profit < Decimal::ZERO);
            session.total_pnl += profit;
            session.current_capital += profit;
        }
    }

    fn session_at(&mut self, at: DateTime<Utc>) -> Option<&mut TradingSession> {
        self.sessions
            .iter_mut()
            .find(|session| session.started_at <= at && session.stopped_at.is_none_or(|stopped| at < stopped))
    }

    /// Returns the realized profit of all closed trades.
    pub(super) fn profit(&self) -> Decimal {
        self.holdings.values().map(|holding| holding.realized).sum()
    }

    /// Returns the sessions with their results, and the positions as of `now`.
    pub(super) fn finish(
        self,
        now: DateTime<Utc>,
        ids: &mut LastIds,
    ) -> (Vec<TradingSession>, Vec<Position>) {
        let positions = self.holdings.into_iter().map(|(symbol, holding)| {
            let price = self.market.price(symbol, now, 0);
            Position {
                id: PositionId::new(next(&mut ids.position)),
                portfolio_id: self.portfolio,
                symbol: self.market.name(symbol).to_owned(),
                quantity: holding.quantity,
                average_cost: holding.average_cost,
                current_price: price,
                unrealized_pnl: (holding.quantity * (price - holding.average_cost)).round_dp(2),
                realized_pnl: holding.realized,
                position_type: PositionType::Long,
                entry_date: Some(holding.since),
                created_at: holding.since,
                updated_at: now,
                metadata_json: None,
            }
        });
        (self.sessions, positions.collect())
    }
}

const RATIONALES: [&str; 5] = [
    "Breakout above the 50-day average on rising volume",
    "Earnings beat; guidance raised",
    "Rebalancing to target weights",
    "Stop level moved up after a new high",
    "Mean reversion: two deviations below the band",
];

/// Returns a quantity: mostly whole shares, some fractions; a sale never exceeds what is held.
fn quantity(action: &Action, held: Decimal, rng: &mut ChaCha8Rng) -> Decimal {
    let size = if rng.random_bool(0.1) {
        Decimal::new(rng.random_range(1..=99_999), 4)
    } else {
        let spread: f64 = rng.random();
        Decimal::from((1.0 + 400.0 * spread.powi(3)) as u32)
    };
    if *action == Action::Sell { size.min(held) } else { size }
}

/// Old orders are settled; some of the last days' are still open.
fn status(at: DateTime<Utc>, now: DateTime<Utc>, rng: &mut ChaCha8Rng) -> TradeStatus {
    let recent = now - at < TimeDelta::days(7);
    match rng.random_range(0..100) {
        0..30 if recent => TradeStatus::Pending,
        30..40 if recent => TradeStatus::PartiallyFilled,
        0..9 => TradeStatus::Cancelled,
        9..12 => TradeStatus::Rejected,
        12..16 => TradeStatus::PartiallyFilled,
        _ => TradeStatus::Filled,
    }
}

/// Turns some market orders into limit and stop orders near the price.
fn order(trade: &mut Trade, price: Decimal, rng: &mut ChaCha8Rng) {
    let mut near = || (price * Decimal::new(rng.random_range(970..=1_030), 3)).round_dp(2);
    let (limit, stop) = (near(), near());
    (trade.order_type, trade.limit_price, trade.stop_price) = match rng.random_range(0..100) {
        0..60 => (OrderType::Market, None, None),
        60..90 => (OrderType::Limit, Some(limit), None),
        90..97 => (OrderType::Stop, None, Some(stop)),
        _ => (OrderType::StopLimit, Some(limit), Some(stop)),
    };
}

fn execution(
    trade: &Trade,
    quantity: Decimal,
    price: Decimal,
    at: DateTime<Utc>,
    last: bool,
    ids: &mut LastIds,
    rng: &mut ChaCha8Rng,
) -> Execution {
    let id = next(&mut ids.execution);
    let exchange = EXCHANGES[rng.random_range(0..EXCHANGES.len())];
    let whole = last && trade.status == TradeStatus::Filled;
    Execution {
        id: ExecutionId::new(id),
        trade_id: trade.id,
        symbol: trade.symbol.clone(),
        quantity,
        price,
        execution_type: if whole { ExecutionType::Fill } else { ExecutionType::PartialFill },
        commission: (quantity * Decimal::new(5, 3)).round_dp(2),
        fees: (quantity * price * Decimal::new(23, 6)).round_dp(4),
        exchange: Some(exchange.to_owned()),
        execution_id: Some(format!("{exchange}-{id:010}")),
        executed_at: at,
        metadata_json: None,
        realized_pnl: None,
        reverses_id: None,
        mark: None,
    }
}
