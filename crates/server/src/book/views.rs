//! Rows with the relations that a client asks for.

use serde::Serialize;
use tallybook::book::{Execution, Portfolio, Position, Trade, TradingSession};
use tallybook::tables::Aggregate;

/// A portfolio with what it owns.
#[derive(Clone, Debug, PartialEq, Serialize, Aggregate)]
pub(crate) struct PortfolioView {
    #[root]
    #[serde(flatten)]
    pub(crate) portfolio: Portfolio,
    #[many]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) positions: Option<Vec<Position>>,
    #[many]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trades: Option<Vec<TradeView>>,
    #[many]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sessions: Option<Vec<TradingSession>>,
}

/// A trade with its executions.
#[derive(Clone, Debug, PartialEq, Serialize, Aggregate)]
pub(crate) struct TradeView {
    #[root]
    #[serde(flatten)]
    pub(crate) trade: Trade,
    #[many]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) executions: Option<Vec<Execution>>,
}

/// A trading session with the trades that it placed.
#[derive(Clone, Debug, PartialEq, Serialize, Aggregate)]
pub(crate) struct SessionView {
    #[root]
    #[serde(flatten)]
    pub(crate) session: TradingSession,
    #[many]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trades: Option<Vec<TradeView>>,
}
