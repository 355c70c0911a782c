//! Positions.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook_core::now;

use crate::changes::changes;
use crate::enums::PositionType;
use crate::ids::{PortfolioId, PositionId};
use crate::table::table;

model! {
    /// A position: a portfolio's holding of an instrument.
    Position(PositionId);
    /// A position to create.
    NewPosition;
    /// The portfolio that holds it.
    portfolio_id: PortfolioId,
    /// Instrument symbol, at most 20 characters, for example `AAPL`.
    #[row(max = 20)]
    symbol: String,
    /// Held quantity, in units of the instrument.
    quantity: Decimal,
    /// Average cost per unit, in the portfolio's currency.
    average_cost: Decimal,
    /// Last known market price per unit, in the portfolio's currency.
    current_price: Decimal,
    /// Profit or loss if the position were closed at `current_price`, in the portfolio's currency.
    unrealized_pnl: Decimal,
    /// Profit or loss of the part already closed, in the portfolio's currency.
    realized_pnl: Decimal,
    /// Direction: long or short.
    #[row(max = 10)]
    position_type: PositionType,
    /// Time at which the position was opened, in UTC.
    entry_date: Option<DateTime<Utc>>,
    /// Time at which the row was created, in UTC.
    created_at: DateTime<Utc>,
    /// Time of the last change of the row, in UTC.
    updated_at: DateTime<Utc>,
    /// Additional data, as JSON text.
    metadata_json: Option<String>,
}

impl NewPosition {
    /// Creates a long position, opened now, with its cost as the market price.
    pub fn new(
        portfolio_id: PortfolioId,
        symbol: impl Into<String>,
        quantity: Decimal,
        average_cost: Decimal,
    ) -> Self {
        let now = now();
        Self {
            portfolio_id,
            symbol: symbol.into(),
            quantity,
            average_cost,
            current_price: average_cost,
            unrealized_pnl: Decimal::ZERO,
            realized_pnl: Decimal::ZERO,
            position_type: PositionType::Long,
            entry_date: Some(now),
            created_at: now,
            updated_at: now,
            metadata_json: None,
        }
    }
}

changes! {
    /// A changeset for a position.
    PositionChanges {
        /// Sets the held quantity. For concurrent changes use [`add_quantity`](crate::Repository::add_quantity).
        quantity: Decimal,
        /// Sets the average cost per unit.
        average_cost: Decimal,
        /// Sets the last known market price per unit.
        current_price: Decimal,
        /// Sets the unrealized profit or loss.
        unrealized_pnl: Decimal,
        /// Sets the realized profit or loss.
        realized_pnl: Decimal,
        /// Sets the direction.
        position_type: PositionType,
        /// Sets the time at which the position was opened.
        entry_date: Option<DateTime<Utc>>,
        /// Sets the additional data.
        metadata_json: Option<String>,
    }
}

table!(
    Position, NewPosition, PositionChanges, PositionId, Positions,
    "positions", "position", order: none, touch: true
);
