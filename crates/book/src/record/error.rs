//! Why an execution is not recorded.

use crate::bookkeeping::Unholdable;
use crate::{ExecutionId, PortfolioId, PositionId, TradeId, TradeStatus};

/// Why an execution is not recorded. Nothing was written: the transaction can go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A field of the fill has a value that no fill has.
    #[error("execution {execution_id:?}: {field} {problem}")]
    Invalid {
        /// The venue's identifier.
        execution_id: String,
        /// The field.
        field: &'static str,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// There is no such order.
    #[error("execution {execution_id:?}: there is no trade {trade}")]
    NoTrade {
        /// The venue's identifier.
        execution_id: String,
        /// The order.
        trade: TradeId,
    },
    /// There is no such order to set the status of.
    #[error("there is no trade {trade}")]
    NoOrder {
        /// The order.
        trade: TradeId,
    },
    /// Another execution was recorded under this identifier.
    #[error(
        "execution {execution_id:?} is recorded already, as execution {recorded}, with another {field}; if the venue repeats its \
         identifiers, put what tells them apart in front, such as its name and the symbol"
    )]
    DifferentContent {
        /// The venue's identifier.
        execution_id: String,
        /// The recorded execution.
        recorded: ExecutionId,
        /// The first field that differs.
        field: &'static str,
    },
    /// The fill exceeds the ordered quantity.
    #[error(
        "execution {execution_id:?} fills trade {trade} beyond its quantity; if the market really did so, record it with \
         accept_over_fill"
    )]
    OverFill {
        /// The venue's identifier.
        execution_id: String,
        /// The order.
        trade: TradeId,
    },
    /// The side of the order is neither `BUY` nor `SELL`.
    #[error("execution {execution_id:?}: trade {trade} neither buys nor sells; correct its action")]
    UnknownSide {
        /// The venue's identifier.
        execution_id: String,
        /// The order.
        trade: TradeId,
    },
    /// The direction of a position contradicts its quantity, or is a word that the book does not know.
    #[error(
        "position {position}: its position_type does not fit its quantity, which is negative for SHORT; correct the row, see \
         `tallybook check book`"
    )]
    UnclearPosition {
        /// The position.
        position: PositionId,
    },
    /// Several open positions of the portfolio have the order's symbol.
    #[error(
        "portfolio {portfolio} has {} open positions in one symbol: {}; merge them, see `tallybook check book --repair`",
        .positions.len(),
        .positions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    SeveralPositions {
        /// The portfolio.
        portfolio: PortfolioId,
        /// The positions.
        positions: Vec<PositionId>,
    },
    /// A column cannot hold the new figure exactly.
    #[error(
        "execution {execution_id:?}: {row}.{column} cannot hold the new figure, which has more than 15 digits; sums of floats \
         leave such figures, see `tallybook check book --repair`"
    )]
    Unholdable {
        /// The venue's identifier.
        execution_id: String,
        /// The row, for example `position 7`.
        row: String,
        /// The column.
        column: &'static str,
    },
    /// The execution to take back is not recorded.
    #[error("there is no execution {execution_id:?} to take back")]
    NothingToReverse {
        /// The venue's identifier of the execution that is missing.
        execution_id: String,
    },
    /// The execution was taken back already, or takes another one back itself.
    #[error("execution {execution_id:?} cannot be taken back: {problem}")]
    NotReversible {
        /// The venue's identifier of the execution.
        execution_id: String,
        /// The reason.
        problem: &'static str,
    },
    /// The status of an order does not follow from its status now.
    #[error("trade {trade} is {} and cannot become {}: {problem}", .from.as_str(), .to.as_str())]
    Transition {
        /// The order.
        trade: TradeId,
        /// Its status.
        from: TradeStatus,
        /// The refused status.
        to: TradeStatus,
        /// The reason.
        problem: &'static str,
    },
    /// The database reports an error.
    #[error(transparent)]
    Database(#[from] tallybook_tables::tables::Error),
}

impl RecordError {
    pub(super) fn invalid(execution_id: &str, field: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid { execution_id: execution_id.to_owned(), field, problem: problem.into() }
    }

    pub(super) fn unholdable(execution_id: &str, row: String, figure: &Unholdable) -> Self {
        Self::Unholdable { execution_id: execution_id.to_owned(), row, column: figure.column }
    }

    /// Returns the error of the database layer, if it is one.
    pub fn database(&self) -> Option<&tallybook_core::Error> {
        match self {
            Self::Database(error) => error.database(),
            _ => None,
        }
    }

    /// Returns whether the same call may succeed if repeated in a new transaction.
    pub fn is_retryable(&self) -> bool {
        self.database().is_some_and(tallybook_core::Error::is_retryable)
    }
}

impl From<tallybook_core::Error> for RecordError {
    fn from(error: tallybook_core::Error) -> Self {
        Self::Database(error.into())
    }
}
