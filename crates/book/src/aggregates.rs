//! Rows with their relations, each combination a type of its own: reading a relation that was not loaded does not
//! compile.
//!
//! ```compile_fail,E0609
//! # async fn example(session: &mut tallybook_core::ReadSession) -> tallybook::book::Result<()> {
//! use tallybook::book::Portfolios;
//!
//! let loaded = Portfolios::new(session).get_with_positions(7.into()).await?.unwrap();
//! let trades = loaded.trades; // not loaded: no such field
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::hash::Hash;

use crate::models::{Execution, Portfolio, Position, Trade, TradingSession};
use crate::table::Table;
use crate::time_order::newest_first;

/// A portfolio with its positions.
#[derive(Clone, Debug, PartialEq)]
pub struct PortfolioWithPositions {
    /// The portfolio.
    pub portfolio: Portfolio,
    /// Its positions, newest first.
    pub positions: Vec<Position>,
}

/// A portfolio with its trades.
#[derive(Clone, Debug, PartialEq)]
pub struct PortfolioWithTrades {
    /// The portfolio.
    pub portfolio: Portfolio,
    /// Its trades, newest first.
    pub trades: Vec<Trade>,
}

/// A portfolio with all rows that refer to it.
#[derive(Clone, Debug, PartialEq)]
pub struct PortfolioWithRelations {
    /// The portfolio.
    pub portfolio: Portfolio,
    /// Its positions, newest first.
    pub positions: Vec<Position>,
    /// Its trades, newest first.
    pub trades: Vec<Trade>,
    /// Its trading sessions, newest first.
    pub sessions: Vec<TradingSession>,
}

/// A trade with its executions.
#[derive(Clone, Debug, PartialEq)]
pub struct TradeWithExecutions {
    /// The trade.
    pub trade: Trade,
    /// Its executions, newest first.
    pub executions: Vec<Execution>,
}

/// Child rows grouped by parent, newest first.
pub(crate) struct Children<K, T>(HashMap<K, Vec<T>>);

impl<K: Eq + Hash, T: Table> Children<K, T> {
    pub(crate) fn new(rows: Vec<T>, parent: impl Fn(&T) -> K) -> Self {
        let mut children = HashMap::new();
        for row in newest_first(rows) {
            children.entry(parent(&row)).or_insert_with(Vec::new).push(row);
        }
        Self(children)
    }

    pub(crate) fn take(&mut self, parent: &K) -> Vec<T> {
        self.0.remove(parent).unwrap_or_default()
    }
}

/// Adds its executions to each trade.
pub(crate) fn with_executions(trades: Vec<Trade>, executions: Vec<Execution>) -> Vec<TradeWithExecutions> {
    let mut executions = Children::new(executions, |execution| execution.trade_id);
    trades
        .into_iter()
        .map(|trade| TradeWithExecutions { executions: executions.take(&trade.id), trade })
        .collect()
}
