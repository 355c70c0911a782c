//! Executions.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook_engine::now;

use crate::changes::changes;
use crate::ids::{ExecutionId, TradeId};
use crate::table::table;
use crate::words::ExecutionType;

model! {
    /// An execution: a fill, whole or in part, of a trade.
    Execution(ExecutionId);
    /// An execution to create.
    NewExecution;
    /// The trade it fills.
    trade_id: TradeId,
    /// Of what.
    #[row(max = 20)]
    symbol: String,
    /// How much.
    quantity: Decimal,
    /// At what price.
    price: Decimal,
    /// Whether it filled the whole rest.
    #[row(max = 20)]
    execution_type: ExecutionType,
    /// What the broker took.
    commission: Decimal,
    /// What others took.
    fees: Decimal,
    /// Where.
    #[row(max = 50)]
    exchange: Option<String>,
    /// The exchange's own identifier; no two executions share one.
    #[row(max = 100)]
    execution_id: Option<String>,
    /// When.
    executed_at: DateTime<Utc>,
    /// Anything else, as JSON.
    metadata_json: Option<String>,
}

impl NewExecution {
    /// A whole fill, without costs, now.
    pub fn new(trade_id: TradeId, symbol: impl Into<String>, quantity: Decimal, price: Decimal) -> Self {
        Self {
            trade_id,
            symbol: symbol.into(),
            quantity,
            price,
            execution_type: ExecutionType::Fill,
            commission: Decimal::ZERO,
            fees: Decimal::ZERO,
            exchange: None,
            execution_id: None,
            executed_at: now(),
            metadata_json: None,
        }
    }
}

changes! {
    /// Changes to an execution, which are corrections.
    ExecutionChanges {
        /// Corrects how much.
        quantity: Decimal,
        /// Corrects the price.
        price: Decimal,
        /// Corrects whether it filled the whole rest.
        execution_type: ExecutionType,
        /// Corrects what the broker took.
        commission: Decimal,
        /// Corrects what others took.
        fees: Decimal,
        /// Corrects where.
        exchange: Option<String>,
        /// Corrects the exchange's own identifier.
        execution_id: Option<String>,
        /// Corrects when.
        executed_at: DateTime<Utc>,
        /// Sets its metadata.
        metadata_json: Option<String>,
    }
}

table!(
    Execution, NewExecution, ExecutionChanges, ExecutionId, Executions,
    "executions", "execution", order: executed_at, touch: false
);
