//! Trades.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook_core::now;

use crate::changes::changes;
use crate::enums::{Action, OrderType, TradeStatus};
use crate::ids::{PortfolioId, TradeId, TradingSessionId};
use crate::table::table;

model! {
    /// A trade: an order sent to the market for a portfolio.
    Trade(TradeId);
    /// A trade to create.
    NewTrade;
    /// The portfolio that the order is for.
    portfolio_id: PortfolioId,
    /// The trading session that placed the order, if any.
    session_id: Option<TradingSessionId>,
    /// Instrument symbol, at most 20 characters, for example `AAPL`.
    #[row(max = 20)]
    symbol: String,
    /// Side: buy or sell.
    #[row(max = 10)]
    action: Action,
    /// Ordered quantity, in units of the instrument.
    quantity: Decimal,
    /// Order type, which decides which prices apply.
    #[row(max = 20)]
    order_type: OrderType,
    /// Limit price per unit, in the portfolio's currency; for limit and stop-limit orders.
    limit_price: Option<Decimal>,
    /// Stop price per unit, in the portfolio's currency; for stop and stop-limit orders.
    stop_price: Option<Decimal>,
    /// Status of the order.
    #[row(max = 20)]
    status: TradeStatus,
    /// Filled quantity, in units of the instrument; from 0 to `quantity`. The book does not enforce the range.
    filled_quantity: Decimal,
    /// Average price per unit of the filled quantity, in the portfolio's currency.
    average_fill_price: Option<Decimal>,
    /// Time at which the row was created, in UTC.
    created_at: DateTime<Utc>,
    /// Time of the last change of the row, in UTC.
    updated_at: DateTime<Utc>,
    /// Time at which the order was completely filled, in UTC.
    filled_at: Option<DateTime<Utc>>,
    /// Reasoning behind the order, as free text.
    decision_rationale: Option<String>,
    /// Confidence in the decision, as given by its author; by convention from 0 to 1.
    confidence_score: Option<Decimal>,
    /// Additional data, as JSON text.
    metadata_json: Option<String>,
}

impl NewTrade {
    /// Creates a pending market order, placed now.
    pub fn market(
        portfolio_id: PortfolioId,
        action: Action,
        symbol: impl Into<String>,
        quantity: Decimal,
    ) -> Self {
        let now = now();
        Self {
            portfolio_id,
            session_id: None,
            symbol: symbol.into(),
            action,
            quantity,
            order_type: OrderType::Market,
            limit_price: None,
            stop_price: None,
            status: TradeStatus::Pending,
            filled_quantity: Decimal::ZERO,
            average_fill_price: None,
            created_at: now,
            updated_at: now,
            filled_at: None,
            decision_rationale: None,
            confidence_score: None,
            metadata_json: None,
        }
    }

    /// Creates a pending limit order, placed now.
    pub fn limit(
        portfolio_id: PortfolioId,
        action: Action,
        symbol: impl Into<String>,
        quantity: Decimal,
        limit_price: Decimal,
    ) -> Self {
        Self {
            order_type: OrderType::Limit,
            limit_price: Some(limit_price),
            ..Self::market(portfolio_id, action, symbol, quantity)
        }
    }
}

changes! {
    /// A changeset for a trade.
    TradeChanges {
        /// Sets the trading session; `None` removes the trade from it.
        session_id: Option<TradingSessionId>,
        /// Sets the ordered quantity, in units of the instrument.
        quantity: Decimal,
        /// Sets the limit price per unit.
        limit_price: Option<Decimal>,
        /// Sets the stop price per unit.
        stop_price: Option<Decimal>,
        /// Sets the status.
        status: TradeStatus,
        /// Sets the filled quantity, in units of the instrument. For concurrent fills use
        /// [`add_filled_quantity`](crate::Repository::add_filled_quantity).
        filled_quantity: Decimal,
        /// Sets the average fill price per unit.
        average_fill_price: Option<Decimal>,
        /// Sets the time at which the order was completely filled.
        filled_at: Option<DateTime<Utc>>,
        /// Sets the reasoning.
        decision_rationale: Option<String>,
        /// Sets the confidence.
        confidence_score: Option<Decimal>,
        /// Sets the additional data.
        metadata_json: Option<String>,
    }
}

table!(
    Trade, NewTrade, TradeChanges, TradeId, Trades,
    "trades", "trade", order: created_at, touch: true
);
