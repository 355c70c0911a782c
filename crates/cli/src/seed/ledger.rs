//! The books of one portfolio: its fills in recorded order, folded by the functions that `Trades::record` uses.

use std::collections::HashMap;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use tallybook::book::bookkeeping::{CashMove, Holding, HoldingFill, OrderFill, Unholdable, currency_scale};
use tallybook::book::{
    Action, Execution, Portfolio, Position, PositionId, PositionType, Trade, TradeStatus, TradingSession,
};

use super::rows::{LastIds, next};

/// An order, and how it ends unless fills complete it first.
pub(super) struct Order {
    pub(super) trade: Trade,
    pub(super) end: Option<(DateTime<Utc>, TradeStatus)>,
}

/// A portfolio with everything that belongs to it. The identifiers of its orders follow one another.
pub(super) struct Ledger {
    pub(super) portfolio: Portfolio,
    pub(super) sessions: Vec<TradingSession>,
    pub(super) orders: Vec<Order>,
    pub(super) executions: Vec<Execution>,
    pub(super) positions: Vec<Position>,
}

impl Ledger {
    /// Applies the executions in the order of their times to orders, positions, cash and totals.
    pub(super) fn keep(&mut self, ids: &mut LastIds) -> Result<()> {
        // `Rows::arrange` numbers the executions of all portfolios in this order.
        self.executions.sort_by_key(|execution| (execution.executed_at, execution.id));
        let scale = currency_scale(&self.portfolio.currency);
        let first = self.orders.first().map_or(0, |order| order.trade.id.get());
        let mut held: HashMap<String, usize> = HashMap::new();
        for execution in &mut self.executions {
            let order = &mut self.orders[(execution.trade_id.get() - first) as usize];
            order.end_by(execution.executed_at);
            let trade = &mut order.trade;
            let index = match held.get(&trade.symbol) {
                Some(index) => *index,
                None => {
                    self.positions.push(opened(trade, execution.executed_at, ids));
                    held.insert(trade.symbol.clone(), self.positions.len() - 1);
                    self.positions.len() - 1
                }
            };
            let moved = apply(&mut self.positions[index], trade, execution, scale)?;
            let before = Tally::of(trade);
            fill(trade, execution, moved.realized_pnl, scale)?;
            if let Some(id) = trade.session_id
                && let Some(session) = self.sessions.iter_mut().find(|session| session.id == id)
            {
                session.current_capital += moved.cash;
                session.total_pnl += moved.realized_pnl;
                before.replaced_by(&Tally::of(trade), session);
            }
            self.portfolio.current_capital += moved.cash;
            self.portfolio.updated_at = touched(self.portfolio.updated_at, execution.executed_at);
        }
        for order in &mut self.orders {
            order.end_by(DateTime::<Utc>::MAX_UTC);
        }
        for position in &mut self.positions {
            let Position { quantity, average_cost, realized_pnl, current_price, .. } = *position;
            let held = Holding { quantity, average_cost, realized_pnl };
            position.unrealized_pnl = held.unrealized_pnl(current_price, scale)?;
        }
        Ok(())
    }
}

impl Order {
    /// Ends the order if its time has come and its fills allow it.
    fn end_by(&mut self, now: DateTime<Utc>) {
        let Some((at, status)) = self.end.take_if(|(at, _)| *at <= now) else { return };
        if matches!(self.trade.status, TradeStatus::Pending | TradeStatus::PartiallyFilled) {
            self.trade.status = status;
            self.trade.updated_at = touched(self.trade.updated_at, at);
        }
    }
}

/// Changes the position, and returns the money that moves.
fn apply(
    position: &mut Position,
    trade: &Trade,
    execution: &Execution,
    scale: u32,
) -> Result<CashMove, Unholdable> {
    let Execution { quantity, price, commission, fees, .. } = *execution;
    let signed = if trade.action == Action::Buy { quantity } else { -quantity };
    let Position { quantity, average_cost, realized_pnl, .. } = *position;
    let held = Holding { quantity, average_cost, realized_pnl };
    let (holding, moved) = held.after(&HoldingFill { quantity: signed, price, commission, fees }, scale)?;
    if execution.reverses_id.is_none() {
        position.current_price = price.normalize();
    }
    let is_flat = holding.quantity.is_zero();
    let turns = quantity.is_zero() || quantity.is_sign_negative() != holding.quantity.is_sign_negative();
    if !is_flat && turns {
        position.entry_date = Some(execution.executed_at);
    }
    if !is_flat {
        let is_short = holding.quantity.is_sign_negative();
        position.position_type = if is_short { PositionType::Short } else { PositionType::Long };
    }
    (position.quantity, position.average_cost) = (holding.quantity, holding.average_cost);
    position.realized_pnl = holding.realized_pnl;
    position.updated_at = touched(position.updated_at, execution.executed_at);
    Ok(moved)
}

/// Changes the order, and says in the execution what it did.
fn fill(
    trade: &mut Trade,
    execution: &mut Execution,
    realized_pnl: Decimal,
    scale: u32,
) -> Result<(), Unholdable> {
    let Execution { quantity, price, executed_at, .. } = *execution;
    let step = OrderFill { quantity, price, realized_pnl, executed_at }.applied_to(trade, scale)?;
    (trade.filled_quantity, trade.average_fill_price) = (step.filled_quantity, step.average_fill_price);
    (trade.realized_pnl, trade.status, trade.filled_at) =
        (Some(step.realized_pnl), step.status, step.filled_at);
    trade.updated_at = touched(trade.updated_at, executed_at);
    (execution.execution_type, execution.mark) = (step.execution_type, step.mark);
    execution.realized_pnl = Some(realized_pnl);
    Ok(())
}

/// Returns the position that the first execution of a symbol opens.
fn opened(trade: &Trade, at: DateTime<Utc>, ids: &mut LastIds) -> Position {
    Position {
        id: PositionId::new(next(&mut ids.position)),
        portfolio_id: trade.portfolio_id,
        symbol: trade.symbol.clone(),
        quantity: Decimal::ZERO,
        average_cost: Decimal::ZERO,
        current_price: Decimal::ZERO,
        unrealized_pnl: Decimal::ZERO,
        realized_pnl: Decimal::ZERO,
        position_type: PositionType::Long,
        entry_date: None,
        created_at: at,
        updated_at: at,
        metadata_json: None,
    }
}

/// The part of an order in the totals of its trading session.
struct Tally {
    trades: i64,
    won: i64,
    lost: i64,
}

impl Tally {
    fn of(trade: &Trade) -> Self {
        let realized = trade.realized_pnl.unwrap_or_default();
        Self {
            trades: (trade.filled_quantity > Decimal::ZERO).into(),
            won: (realized > Decimal::ZERO).into(),
            lost: (realized < Decimal::ZERO).into(),
        }
    }

    fn replaced_by(&self, after: &Self, session: &mut TradingSession) {
        session.total_trades += after.trades - self.trades;
        session.winning_trades += after.won - self.won;
        session.losing_trades += after.lost - self.lost;
    }
}

/// Returns the time of an update: now, but always later than the one before.
fn touched(before: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    now.max(before + TimeDelta::microseconds(1))
}
