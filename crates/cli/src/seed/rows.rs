//! Generated rows, and their identifiers.

use tallybook::book::{Execution, ExecutionId, Portfolio, Position, Trade, TradeId, TradingSession};

/// The last assigned identifier of each table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LastIds {
    pub(super) portfolio: i64,
    pub(super) position: i64,
    pub(super) trade: i64,
    pub(super) execution: i64,
    pub(super) session: i64,
}

/// Returns the next identifier.
pub(super) fn next(last: &mut i64) -> i64 {
    *last += 1;
    *last
}

/// Rows that belong together.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) portfolios: Vec<Portfolio>,
    pub(super) sessions: Vec<TradingSession>,
    pub(super) trades: Vec<Trade>,
    pub(super) executions: Vec<Execution>,
    pub(super) positions: Vec<Position>,
}

impl Rows {
    /// Sorts trades and executions by time and renumbers them, as a book grows: the trades of a portfolio are
    /// scattered among those of all others, on disk too, so that an index has an effect.
    pub(super) fn arrange(&mut self) {
        self.trades.sort_by_key(|trade| (trade.created_at, trade.id));
        let mut numbers = vec![TradeId::new(0); self.trades.len() + 1];
        for (trade, number) in self.trades.iter_mut().zip(1..) {
            numbers[trade.id.get() as usize] = TradeId::new(number);
            trade.id = TradeId::new(number);
        }
        self.executions.sort_by_key(|execution| (execution.executed_at, execution.id));
        let mut executions = vec![ExecutionId::new(0); self.executions.len() + 1];
        for (execution, number) in self.executions.iter_mut().zip(1..) {
            executions[execution.id.get() as usize] = ExecutionId::new(number);
            execution.id = ExecutionId::new(number);
            execution.trade_id = numbers[execution.trade_id.get() as usize];
            // A reversal is later than what it takes back, which has its number already.
            execution.reverses_id = execution.reverses_id.map(|id| executions[id.get() as usize]);
        }
    }
}
