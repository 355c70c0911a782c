//! The orders of one portfolio, and their fills.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use tallybook::book::{
    Action, Execution, ExecutionId, ExecutionType, OrderType, Trade, TradeId, TradeStatus, TradingSession,
};

use super::ledger::{Ledger, Order};
use super::market::Market;
use super::rows::{LastIds, next};

const EXCHANGES: [&str; 4] = ["NASDAQ", "NYSE", "ARCA", "BATS"];

/// Generates the orders of one portfolio in the order of time. It knows what its fills will leave of each symbol, and roughly the
/// cash; [`Ledger::keep`] does the books.
pub(super) struct Trader<'a> {
    market: &'a Market,
    watched: Vec<usize>,
    held: HashMap<usize, Decimal>,
    cash: Decimal,
}

/// How an order goes.
#[derive(Clone, Copy, PartialEq)]
enum Course {
    Filled,
    PartiallyFilled,
    Pending,
    Rejected,
    Cancelled,
    Expired,
}

impl<'a> Trader<'a> {
    pub(super) fn new(market: &'a Market, cash: Decimal, rng: &mut ChaCha8Rng) -> Self {
        let count = rng.random_range(3..=25);
        let watched = rand::seq::index::sample(rng, market.symbols(), count).into_vec();
        Self { market, watched, held: HashMap::new(), cash }
    }

    /// Generates one order with its fills.
    pub(super) fn trade(
        &mut self,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
        ledger: &mut Ledger,
        ids: &mut LastIds,
        rng: &mut ChaCha8Rng,
    ) {
        // Squaring favours the first symbols of the list.
        let favour: f64 = rng.random();
        let symbol = self.watched[(favour * favour * self.watched.len() as f64) as usize];
        let price = self.market.price(symbol, at, 0);
        let (action, quantity) = self.decide(symbol, price, rng);

        let mut trade = Trade {
            id: TradeId::new(next(&mut ids.trade)),
            portfolio_id: ledger.portfolio.id,
            session_id: session_at(&ledger.sessions, at).map(|session| session.id),
            symbol: self.market.name(symbol).to_owned(),
            action,
            quantity,
            order_type: OrderType::Market,
            limit_price: None,
            stop_price: None,
            status: TradeStatus::Pending,
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
        let course = course(at, now, rng);
        let filled = match course {
            Course::Filled => quantity,
            Course::PartiallyFilled => (quantity / Decimal::TWO).round_dp(4),
            // Some were partially filled before they ended.
            Course::Cancelled | Course::Expired if rng.random_bool(0.3) => {
                (quantity / Decimal::from(3)).round_dp(4)
            }
            _ => Decimal::ZERO,
        };
        let last = self.fill(&trade, symbol, filled, ledger, ids, rng);
        let end = match course {
            Course::Rejected => Some((at + TimeDelta::milliseconds(5), TradeStatus::Rejected)),
            Course::Expired => Some((last + TimeDelta::hours(6), TradeStatus::Expired)),
            // A cancel may be overtaken by a fill.
            Course::Cancelled if filled.is_zero() || rng.random_bool(0.9) => {
                Some((last + TimeDelta::seconds(rng.random_range(1..3_600)), TradeStatus::Cancelled))
            }
            Course::Cancelled => Some((at, TradeStatus::Cancelled)),
            _ => None,
        };
        ledger.orders.push(Order { trade, end });
    }

    /// Chooses side and quantity: a sale never exceeds what is held, nor a purchase what the cash pays for. Without any cash it sells
    /// or buys very little.
    fn decide(&self, symbol: usize, price: Decimal, rng: &mut ChaCha8Rng) -> (Action, Decimal) {
        let held = self.held.get(&symbol).copied().unwrap_or_default();
        let wants_to_sell = held > Decimal::ZERO && rng.random_bool(0.45);
        let size = size(rng);
        // A reserve for costs.
        let affordable = (self.cash * Decimal::new(98, 2) / price).floor();
        if wants_to_sell || (affordable < Decimal::ONE && held > Decimal::ZERO) {
            (Action::Sell, size.min(held))
        } else if affordable < Decimal::ONE {
            (Action::Buy, Decimal::new(1, 2))
        } else {
            (Action::Buy, size.min(affordable))
        }
    }

    /// Adds the fills of an order, and returns the time of the last one.
    fn fill(
        &mut self,
        trade: &Trade,
        symbol: usize,
        filled: Decimal,
        ledger: &mut Ledger,
        ids: &mut LastIds,
        rng: &mut ChaCha8Rng,
    ) -> DateTime<Utc> {
        let mut at = trade.created_at;
        if filled.is_zero() {
            return at;
        }
        let mut left = filled;
        // Now and then a venue fills more than was ordered.
        if filled == trade.quantity && trade.action == Action::Buy && rng.random_bool(0.001) {
            left += Decimal::ONE;
        }
        let parts = if left < Decimal::from(4) { 1 } else { rng.random_range(1..=4_u32) };
        for part in (1..=parts).rev() {
            let quantity = if part == 1 { left } else { (left / Decimal::from(part)).round_dp(0) };
            let price = self.market.price(symbol, at, rng.random_range(-3..=3));
            at += TimeDelta::microseconds(rng.random_range(1_000..30_000_000));
            left -= quantity;
            let signed = if trade.action == Action::Buy { quantity } else { -quantity };
            *self.held.entry(symbol).or_default() += signed;
            let fill = execution(trade, quantity, price, at, ids, rng);
            self.cash -= signed * price + fill.commission + fill.fees;
            if rng.random_bool(0.003) {
                at = correct(&fill, at, ledger, ids, rng);
            }
            ledger.executions.push(fill);
        }
        at
    }
}

fn session_at(sessions: &[TradingSession], at: DateTime<Utc>) -> Option<&TradingSession> {
    sessions
        .iter()
        .find(|session| session.started_at <= at && session.stopped_at.is_none_or(|stopped| at < stopped))
}

const RATIONALES: [&str; 5] = [
    "Breakout above the 50-day average on rising volume",
    "Earnings beat; guidance raised",
    "Rebalancing to target weights",
    "Stop level moved up after a new high",
    "Mean reversion: two deviations below the band",
];

/// Returns a quantity: mostly whole shares, some fractions.
fn size(rng: &mut ChaCha8Rng) -> Decimal {
    if rng.random_bool(0.1) {
        Decimal::new(rng.random_range(1..=99_999), 4)
    } else {
        let spread: f64 = rng.random();
        Decimal::from((1.0 + 400.0 * spread.powi(3)) as u32)
    }
}

/// Old orders are settled; some of the last days' are still open.
fn course(at: DateTime<Utc>, now: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Course {
    let recent = now - at < TimeDelta::days(7);
    match rng.random_range(0..100) {
        0..30 if recent => Course::Pending,
        30..40 if recent => Course::PartiallyFilled,
        0..8 => Course::Cancelled,
        8..9 => Course::Expired,
        9..12 => Course::Rejected,
        12..16 => Course::PartiallyFilled,
        _ => Course::Filled,
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

/// Adds the reversal of a fill with a wrong price, and the fill with the right one. Returns its time.
fn correct(
    wrong: &Execution,
    at: DateTime<Utc>,
    ledger: &mut Ledger,
    ids: &mut LastIds,
    rng: &mut ChaCha8Rng,
) -> DateTime<Utc> {
    let id = next(&mut ids.execution);
    let at = at + TimeDelta::seconds(rng.random_range(30..600));
    let name = wrong.execution_id.as_deref().unwrap_or_default();
    ledger.executions.push(Execution {
        id: ExecutionId::new(id),
        quantity: -wrong.quantity,
        commission: -wrong.commission,
        fees: -wrong.fees,
        execution_id: Some(format!("{name}:bust")),
        executed_at: at,
        reverses_id: Some(wrong.id),
        ..wrong.clone()
    });
    let (id, at) = (next(&mut ids.execution), at + TimeDelta::milliseconds(1));
    ledger.executions.push(Execution {
        id: ExecutionId::new(id),
        price: wrong.price + Decimal::new(1, 2),
        execution_id: Some(format!("{name}:corrected")),
        executed_at: at,
        ..wrong.clone()
    });
    at
}

/// Returns a fill; [`Ledger::keep`] says what it did.
fn execution(
    trade: &Trade,
    quantity: Decimal,
    price: Decimal,
    at: DateTime<Utc>,
    ids: &mut LastIds,
    rng: &mut ChaCha8Rng,
) -> Execution {
    let id = next(&mut ids.execution);
    let exchange = EXCHANGES[rng.random_range(0..EXCHANGES.len())];
    Execution {
        id: ExecutionId::new(id),
        trade_id: trade.id,
        symbol: trade.symbol.clone(),
        quantity,
        price,
        execution_type: ExecutionType::PartialFill,
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
