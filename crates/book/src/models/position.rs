//! Positions.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook_engine::now;

use crate::changes::changes;
use crate::ids::{PortfolioId, PositionId};
use crate::table::table;
use crate::words::PositionType;

model! {
    /// A position: what a portfolio holds of a symbol.
    Position(PositionId);
    /// A position to create.
    NewPosition;
    /// The portfolio that holds it.
    portfolio_id: PortfolioId,
    /// Of what.
    #[row(max = 20)]
    symbol: String,
    /// How much.
    quantity: Decimal,
    /// What a unit cost on average.
    average_cost: Decimal,
    /// What a unit was worth when last looked at.
    current_price: Decimal,
    /// Gain or loss if it were closed now.
    unrealized_pnl: Decimal,
    /// Gain or loss of what was closed.
    realized_pnl: Decimal,
    /// Which way it faces.
    #[row(max = 10)]
    position_type: PositionType,
    /// When it was opened.
    entry_date: Option<DateTime<Utc>>,
    /// When the row was created.
    created_at: DateTime<Utc>,
    /// When the row was last changed.
    updated_at: DateTime<Utc>,
    /// Anything else, as JSON.
    metadata_json: Option<String>,
}

impl NewPosition {
    /// A long position, opened now and worth what it cost.
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
    /// Changes to a position.
    PositionChanges {
        /// Sets how much.
        quantity: Decimal,
        /// Sets what a unit cost on average.
        average_cost: Decimal,
        /// Sets what a unit is worth.
        current_price: Decimal,
        /// Sets the gain or loss if it were closed now.
        unrealized_pnl: Decimal,
        /// Sets the gain or loss of what was closed.
        realized_pnl: Decimal,
        /// Sets which way it faces.
        position_type: PositionType,
        /// Sets when it was opened.
        entry_date: Option<DateTime<Utc>>,
        /// Sets its metadata.
        metadata_json: Option<String>,
    }
}

table!(
    Position, NewPosition, PositionChanges, PositionId, Positions,
    "positions", "position", order: none, touch: true
);
