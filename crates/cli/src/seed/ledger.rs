//! The books of one portfolio: its fills in recorded order, folded by the functions that `Trades::record` uses.

use std::collections::HashMap;

use anyhow::Result;
use chrono::{DateTime, Utc};
use tallybook::book::bookkeeping::{ExecutionRows, ExecutionStep, currency_scale, touched};
use tallybook::book::{Execution, Portfolio, Position, PositionId, Trade, TradeStatus, TradingSession};

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
                    let id = PositionId::new(next(&mut ids.position));
                    let symbol = trade.symbol.clone();
                    let flat = Position::flat(id, trade.portfolio_id, symbol.clone(), execution.executed_at);
                    self.positions.push(flat);
                    held.insert(symbol, self.positions.len() - 1);
                    self.positions.len() - 1
                }
            };
            let position = &mut self.positions[index];
            let step = ExecutionStep::of(&(&*execution).into(), trade, position, scale)?;
            let session = self.sessions.iter_mut().find(|session| Some(session.id) == trade.session_id);
            let portfolio = &mut self.portfolio;
            step.apply(ExecutionRows { portfolio, trade, position, session }, execution.executed_at)?;
            (execution.execution_type, execution.mark) = (step.order.execution_type, step.order.mark);
            execution.realized_pnl = Some(step.moved.realized_pnl);
        }
        for order in &mut self.orders {
            order.end_by(DateTime::<Utc>::MAX_UTC);
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
