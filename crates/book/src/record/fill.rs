//! What callers record: fills and reversals.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook_core::now;

use super::RecordError;
use crate::{Execution, ExecutionType, NewExecution, Position, Trade, TradeId};

/// A complete or partial fill of an order, to be recorded by [`Trades::record`](crate::Trades::record).
///
/// ```
/// use tallybook::book::Fill;
///
/// let fill = Fill::new(7.into(), "NASDAQ:AAPL:0001", 100.into(), "187.25".parse()?).commission("1.00".parse()?);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fill {
    /// The order that it fills.
    pub trade_id: TradeId,
    /// The venue's identifier of the execution, 1 to 100 characters. It must be unique in the book: where a venue repeats its
    /// identifiers, put what tells them apart in front, as in `NASDAQ:AAPL:0001`.
    pub execution_id: String,
    /// Filled quantity, in units of the instrument; more than zero.
    pub quantity: Decimal,
    /// Price per unit, in the portfolio's currency.
    pub price: Decimal,
    /// Broker's commission, in the portfolio's currency; negative for a rebate.
    pub commission: Decimal,
    /// Other fees, in the portfolio's currency; negative for a rebate.
    pub fees: Decimal,
    /// Name of the exchange, at most 50 characters.
    pub exchange: Option<String>,
    /// Time of the execution, in UTC.
    pub executed_at: DateTime<Utc>,
    /// Additional data, as JSON text.
    pub metadata_json: Option<String>,
    /// Accepts, and marks, a fill that exceeds the ordered quantity. Without it such a fill is refused.
    pub accept_over_fill: bool,
}

impl Fill {
    /// Creates a fill without costs, executed now.
    pub fn new(
        trade_id: TradeId,
        execution_id: impl Into<String>,
        quantity: Decimal,
        price: Decimal,
    ) -> Self {
        Self {
            trade_id,
            execution_id: execution_id.into(),
            quantity,
            price,
            commission: Decimal::ZERO,
            fees: Decimal::ZERO,
            exchange: None,
            executed_at: now(),
            metadata_json: None,
            accept_over_fill: false,
        }
    }

    /// Sets the broker's commission.
    #[must_use]
    pub fn commission(self, commission: Decimal) -> Self {
        Self { commission, ..self }
    }

    /// Sets the other fees.
    #[must_use]
    pub fn fees(self, fees: Decimal) -> Self {
        Self { fees, ..self }
    }

    /// Sets the name of the exchange.
    #[must_use]
    pub fn exchange(self, exchange: impl Into<String>) -> Self {
        Self { exchange: Some(exchange.into()), ..self }
    }

    /// Sets the time of the execution.
    #[must_use]
    pub fn executed_at(self, executed_at: DateTime<Utc>) -> Self {
        Self { executed_at, ..self }
    }

    /// Accepts, and marks, a fill that exceeds the ordered quantity.
    #[must_use]
    pub fn accept_over_fill(self) -> Self {
        Self { accept_over_fill: true, ..self }
    }

    /// Returns the execution to insert, without what the book decides: profit, kind and mark.
    pub(super) fn execution(&self, trade: &Trade) -> NewExecution {
        NewExecution {
            commission: self.commission,
            fees: self.fees,
            exchange: self.exchange.clone(),
            execution_id: Some(self.execution_id.clone()),
            executed_at: self.executed_at,
            metadata_json: self.metadata_json.clone(),
            ..NewExecution::new(trade.id, trade.symbol.as_str(), self.quantity, self.price)
        }
    }

    /// Refuses what no market reports.
    pub(super) fn check(&self) -> Result<(), RecordError> {
        check_id(&self.execution_id)?;
        if self.quantity <= Decimal::ZERO {
            let problem = "must be more than zero; a correction is a reversal, see Trades::reverse";
            return Err(RecordError::invalid(&self.execution_id, "quantity", problem));
        }
        Ok(())
    }

    /// Returns the first field in which a recorded execution differs. Times and metadata may differ: a program that sends a
    /// fill again after a crash need not remember them.
    pub(super) fn different_field(&self, recorded: &Execution) -> Option<&'static str> {
        let fields = [
            ("trade_id", self.trade_id == recorded.trade_id),
            ("quantity", self.quantity == recorded.quantity),
            ("price", self.price == recorded.price),
            ("commission", self.commission == recorded.commission),
            ("fees", self.fees == recorded.fees),
            ("exchange", self.exchange == recorded.exchange),
            ("reverses_id", recorded.reverses_id.is_none()),
        ];
        fields.into_iter().find(|(_, is_same)| !is_same).map(|(name, _)| name)
    }
}

/// A correction: takes a recorded execution back, with its costs. Where the venue sends another price or quantity instead, record
/// that as a new fill.
#[derive(Clone, Debug, PartialEq)]
pub struct Reversal {
    /// The venue's identifier of the execution that is taken back.
    pub reverses: String,
    /// The venue's identifier of the correction itself; unique in the book.
    pub execution_id: String,
    /// Time of the correction, in UTC.
    pub executed_at: DateTime<Utc>,
    /// Additional data, as JSON text.
    pub metadata_json: Option<String>,
}

impl Reversal {
    /// Creates a reversal, as of now.
    pub fn new(reverses: impl Into<String>, execution_id: impl Into<String>) -> Self {
        Self {
            reverses: reverses.into(),
            execution_id: execution_id.into(),
            executed_at: now(),
            metadata_json: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), RecordError> {
        check_id(&self.reverses)?;
        check_id(&self.execution_id)
    }

    /// Returns the execution to insert: the same trade and price, the negative quantity and costs.
    pub(super) fn execution(&self, original: &Execution) -> NewExecution {
        NewExecution {
            commission: -original.commission,
            fees: -original.fees,
            exchange: original.exchange.clone(),
            execution_id: Some(self.execution_id.clone()),
            execution_type: ExecutionType::Reversal,
            executed_at: self.executed_at,
            metadata_json: self.metadata_json.clone(),
            reverses_id: Some(original.id),
            ..NewExecution::new(
                original.trade_id,
                original.symbol.as_str(),
                -original.quantity,
                original.price,
            )
        }
    }
}

/// What a recorded execution changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The execution as stored.
    pub execution: Execution,
    /// Its order after the execution; as it is now, if the execution was recorded before.
    pub trade: Trade,
    /// The position after the execution; as it is now, if the execution was recorded before. `None` if that position does not
    /// exist, because another program wrote the execution.
    pub position: Option<Position>,
    /// Set if the execution was recorded before, so that nothing was changed.
    pub is_repeat: bool,
}

/// Refuses an identifier that would not tell executions apart.
fn check_id(id: &str) -> Result<(), RecordError> {
    if id.trim().is_empty() {
        let problem = "must not be empty; it makes sure that an execution is recorded once";
        return Err(RecordError::invalid(id, "execution_id", problem));
    }
    Ok(())
}
