//! Executions.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook_core::now;

use crate::changes::changes;
use crate::enums::ExecutionType;
use crate::ids::{ExecutionId, TradeId};
use crate::table::table;

model! {
    /// An execution: a complete or partial fill of a trade.
    Execution(ExecutionId);
    /// An execution to create.
    NewExecution;
    /// The trade that it fills.
    trade_id: TradeId,
    /// Instrument symbol, at most 20 characters, for example `AAPL`.
    #[row(max = 20)]
    symbol: String,
    /// Executed quantity, in units of the instrument.
    quantity: Decimal,
    /// Price per unit, in the portfolio's currency.
    price: Decimal,
    /// Kind of fill: the rest of the trade, or a part.
    #[row(max = 20)]
    execution_type: ExecutionType,
    /// Broker's commission, in the portfolio's currency.
    commission: Decimal,
    /// Other fees, for example the exchange's, in the portfolio's currency.
    fees: Decimal,
    /// Name of the exchange, at most 50 characters.
    #[row(max = 50)]
    exchange: Option<String>,
    /// The exchange's identifier of the execution; unique, at most 100 characters.
    #[row(max = 100)]
    execution_id: Option<String>,
    /// Time of the execution, in UTC.
    executed_at: DateTime<Utc>,
    /// Additional data, as JSON text.
    metadata_json: Option<String>,
}

impl NewExecution {
    /// Creates an execution that fills its trade completely, now and without costs.
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
    /// A changeset for an execution: corrections.
    ExecutionChanges {
        /// Corrects the executed quantity, in units of the instrument.
        quantity: Decimal,
        /// Corrects the price per unit.
        price: Decimal,
        /// Corrects the kind of the execution.
        execution_type: ExecutionType,
        /// Corrects the broker's commission.
        commission: Decimal,
        /// Corrects the other fees.
        fees: Decimal,
        /// Corrects the exchange.
        exchange: Option<String>,
        /// Corrects the exchange's identifier of the execution.
        execution_id: Option<String>,
        /// Corrects the time of the execution.
        executed_at: DateTime<Utc>,
        /// Sets the additional data.
        metadata_json: Option<String>,
    }
}

table!(
    Execution, NewExecution, ExecutionChanges, ExecutionId, Executions,
    "executions", "execution", order: executed_at, touch: false
);
