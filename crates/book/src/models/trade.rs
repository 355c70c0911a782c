//! Trades.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook_engine::now;

use crate::changes::changes;
use crate::ids::{PortfolioId, SessionId, TradeId};
use crate::table::table;
use crate::words::{Action, OrderType, TradeStatus};

model! {
    /// A trade: an order sent to market for a portfolio.
    Trade(TradeId);
    /// A trade to create.
    NewTrade;
    /// The portfolio it is for.
    portfolio_id: PortfolioId,
    /// The trading session it belongs to.
    session_id: Option<SessionId>,
    /// Of what.
    #[row(max = 20)]
    symbol: String,
    /// Buy or sell.
    #[row(max = 10)]
    action: Action,
    /// How much.
    quantity: Decimal,
    /// How it is to be filled.
    #[row(max = 20)]
    order_type: OrderType,
    /// The worst price to take.
    limit_price: Option<Decimal>,
    /// The price that sets it off.
    stop_price: Option<Decimal>,
    /// Where it is in its life.
    #[row(max = 20)]
    status: TradeStatus,
    /// How much of it is filled.
    filled_quantity: Decimal,
    /// The average price of what is filled.
    average_fill_price: Option<Decimal>,
    /// When it was created.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
    /// When it was filled.
    filled_at: Option<DateTime<Utc>>,
    /// Why it was made.
    decision_rationale: Option<String>,
    /// How sure whoever made it was.
    confidence_score: Option<Decimal>,
    /// Anything else, as JSON.
    metadata_json: Option<String>,
}

impl NewTrade {
    /// A pending order at the market's price, made now.
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

    /// A pending order at `limit_price` or better, made now.
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
    /// Changes to a trade.
    TradeChanges {
        /// Puts it into a trading session, or takes it out.
        session_id: Option<SessionId>,
        /// Sets how much.
        quantity: Decimal,
        /// Sets the worst price to take.
        limit_price: Option<Decimal>,
        /// Sets the price that sets it off.
        stop_price: Option<Decimal>,
        /// Sets where it is in its life.
        status: TradeStatus,
        /// Sets how much of it is filled.
        filled_quantity: Decimal,
        /// Sets the average price of what is filled.
        average_fill_price: Option<Decimal>,
        /// Sets when it was filled.
        filled_at: Option<DateTime<Utc>>,
        /// Sets why it was made.
        decision_rationale: Option<String>,
        /// Sets how sure whoever made it was.
        confidence_score: Option<Decimal>,
        /// Sets its metadata.
        metadata_json: Option<String>,
    }
}

table!(
    Trade, NewTrade, TradeChanges, TradeId, Trades,
    "trades", "trade", order: created_at, touch: true
);
