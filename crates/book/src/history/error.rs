//! Why a portfolio's history cannot be computed.

use chrono::{DateTime, Utc};

use crate::{ExecutionId, PortfolioId, TradeId};

/// Why the holdings or the equity of a portfolio at a moment cannot be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// There is no such portfolio.
    #[error("there is no portfolio {0}")]
    NoPortfolio(PortfolioId),
    /// The side of an order with executions is neither `BUY` nor `SELL`.
    #[error("execution {execution}: trade {trade} neither buys nor sells; correct its action")]
    UnknownSide {
        /// The execution.
        execution: ExecutionId,
        /// Its order.
        trade: TradeId,
    },
    /// A figure has more digits than a column holds exactly, so no call of `Trades::record` has kept it.
    #[error("execution {execution}: {column} would have more than 15 digits; see `tallybook check book`")]
    Unholdable {
        /// The execution after which it has.
        execution: ExecutionId,
        /// The column.
        column: &'static str,
    },
    /// The portfolio holds a symbol at a moment for which no price was given.
    #[error("there is no price of {symbol:?} at {moment}, when portfolio {portfolio} holds it")]
    NoPrice {
        /// The portfolio.
        portfolio: PortfolioId,
        /// The symbol.
        symbol: String,
        /// The moment.
        moment: DateTime<Utc>,
    },
    /// The equity at a moment has more than 28 digits, which is more than a `Decimal` holds.
    #[error("the equity of portfolio {portfolio} at {moment} has more than 28 digits; round the prices")]
    Inexact {
        /// The portfolio.
        portfolio: PortfolioId,
        /// The moment.
        moment: DateTime<Utc>,
    },
    /// The database reports an error.
    #[error(transparent)]
    Database(#[from] tallybook_tables::tables::Error),
}

impl HistoryError {
    /// Returns the error of the database layer, if it is one.
    pub fn database(&self) -> Option<&tallybook_core::Error> {
        match self {
            Self::Database(error) => error.database(),
            _ => None,
        }
    }
}

impl From<tallybook_core::Error> for HistoryError {
    fn from(error: tallybook_core::Error) -> Self {
        Self::Database(error.into())
    }
}
