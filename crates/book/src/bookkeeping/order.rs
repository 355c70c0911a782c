//! The fold of an order: filled quantity, average price, status.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::holding::{holdable, money};
use super::{Exact, Unholdable};
use crate::{ExecutionType, FillMark, Trade, TradeStatus};

/// The terms of an execution, as its order sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderFill {
    /// Filled quantity; negative if the execution takes a fill back.
    pub quantity: Decimal,
    /// Price per unit.
    pub price: Decimal,
    /// Profit that the execution realized.
    pub realized_pnl: Decimal,
    /// Time of the execution.
    pub executed_at: DateTime<Utc>,
}

/// The state of an order after an execution, and the kind of the execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderStep {
    /// Filled quantity of the order.
    pub filled_quantity: Decimal,
    /// Average price of the filled quantity; `None` if there is none.
    pub average_fill_price: Option<Decimal>,
    /// Profit that the order's executions realized, before costs.
    pub realized_pnl: Decimal,
    /// Status of the order.
    pub status: TradeStatus,
    /// Time at which the order was completely filled.
    pub filled_at: Option<DateTime<Utc>>,
    /// Kind of the execution.
    pub execution_type: ExecutionType,
    /// Set if the execution should not have happened.
    pub mark: Option<FillMark>,
}

impl OrderFill {
    /// Returns the state of an order after this execution. Money is rounded half to even to `scale` decimals, the average half to
    /// even to 15 significant digits.
    ///
    /// # Errors
    /// [`Unholdable`] names the column of `trades` that cannot hold a result. A fill that takes back more than was filled leaves
    /// a negative quantity, which is reported as unholdable too.
    pub fn applied_to(&self, trade: &Trade, scale: u32) -> Result<OrderStep, Unholdable> {
        let (before, change) = (Exact::from(trade.filled_quantity), Exact::from(self.quantity));
        let filled = before.plus(&change);
        if filled.sign() < 0 {
            return Err(Unholdable { column: "filled_quantity" });
        }
        let average_fill_price = if filled.sign() == 0 {
            None
        } else {
            let paid = before.times(&trade.average_fill_price.unwrap_or_default().into());
            let paid = paid.plus(&change.times(&self.price.into()));
            Some(holdable(&paid.divided_by(&filled), "average_fill_price")?)
        };
        let ordered = filled.compare(&trade.quantity.into());
        let is_complete = ordered != Ordering::Less;
        let status = next_status(&trade.status, is_complete, filled.sign() > 0);
        let is_reversal = change.sign() < 0;
        let filled_at = match (&status, &trade.status) {
            (TradeStatus::Filled, TradeStatus::Filled) if trade.filled_at.is_some() => trade.filled_at,
            (TradeStatus::Filled, _) => Some(self.executed_at),
            (_, TradeStatus::Filled) => None,
            _ => trade.filled_at,
        };
        Ok(OrderStep {
            filled_quantity: holdable(&filled, "filled_quantity")?,
            average_fill_price,
            realized_pnl: money(
                trade.realized_pnl.unwrap_or_default(),
                self.realized_pnl,
                scale,
                "realized_pnl",
            )?,
            status,
            filled_at,
            execution_type: if is_reversal {
                ExecutionType::Reversal
            } else if is_complete {
                ExecutionType::Fill
            } else {
                ExecutionType::PartialFill
            },
            mark: if is_reversal {
                None
            } else if ordered == Ordering::Greater {
                Some(FillMark::OverFill)
            } else if trade.status.has_ended() {
                Some(FillMark::AfterEnd)
            } else {
                None
            },
        })
    }
}

/// Returns the status after an execution. A word that the book does not know stays until the order is completely filled.
pub(crate) fn next_status(status: &TradeStatus, is_complete: bool, has_fills: bool) -> TradeStatus {
    match status {
        _ if is_complete => TradeStatus::Filled,
        TradeStatus::Pending | TradeStatus::PartiallyFilled | TradeStatus::Filled => {
            if has_fills {
                TradeStatus::PartiallyFilled
            } else {
                TradeStatus::Pending
            }
        }
        other => other.clone(),
    }
}

impl TradeStatus {
    /// Returns whether no fill is expected any more although the order may not be completely filled.
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Cancelled | Self::Rejected | Self::Expired)
    }

    /// Returns why an order cannot go from this status to another one that its venue reports.
    pub(crate) fn refuses(&self, to: &Self, has_fills: bool) -> Option<&'static str> {
        match (self, to) {
            (_, Self::Other(_)) => None,
            (_, Self::Filled | Self::PartiallyFilled) => Some("record its fills instead"),
            (Self::Filled, _) => Some("it is completely filled"),
            (Self::Cancelled | Self::Rejected | Self::Expired, _) => Some("it has ended"),
            (_, Self::Pending | Self::Rejected) if has_fills => {
                Some("it has fills; cancel what is left of it")
            }
            _ => None,
        }
    }
}
