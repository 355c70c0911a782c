//! The rows and fields that clients may read, filter, create and change.

use serde_json::{Map, Value};
use tallybook::book::{Execution, Portfolio, Position, Trade, TradingSession};

use super::views::{PortfolioView, SessionView, TradeView};
use crate::resource::{Creatable, ListFilter, Patchable, Resource, filters};

impl Resource for Portfolio {
    type View = PortfolioView;
    const PATH: &'static str = "portfolios";
    const ROW: &'static str = "Portfolio";
    const FILTERS: &'static [ListFilter] = filters! {
        name: "name", "name = $1", "The portfolio with this name.";
        currency: "currency", "currency = $1", "Portfolios in this currency.";
        updated_since: "updated_at", "updated_at >= $1", "Portfolios that were changed at this time or later.";
    };
}

impl Creatable for Portfolio {
    const GIVEN: &'static [&'static str] =
        &["name", "description", "initial_capital", "currency", "metadata_json"];

    fn complete(new: &mut Map<String, Value>) {
        copy(new, "initial_capital", "current_capital");
    }
}

impl Patchable for Portfolio {
    const CHANGED: &'static [&'static str] = &["name", "description", "metadata_json"];
}

impl Resource for Position {
    type View = Self;
    const PATH: &'static str = "positions";
    const ROW: &'static str = "Position";
    const FILTERS: &'static [ListFilter] = filters! {
        portfolio_id: "portfolio_id", "portfolio_id = $1", "Positions of this portfolio.";
        symbol: "symbol", "symbol = $1", "Positions in this instrument.";
        position_type: "position_type", "position_type = $1", "Positions of this direction.";
        updated_since: "updated_at", "updated_at >= $1", "Positions that were changed at this time or later.";
    };
}

impl Patchable for Position {
    const CHANGED: &'static [&'static str] = &["current_price", "unrealized_pnl", "metadata_json"];
}

impl Resource for Trade {
    type View = TradeView;
    const PATH: &'static str = "trades";
    const ROW: &'static str = "Trade";
    const FILTERS: &'static [ListFilter] = filters! {
        portfolio_id: "portfolio_id", "portfolio_id = $1", "Trades of this portfolio.";
        session_id: "session_id", "session_id = $1", "Trades that this trading session placed.";
        symbol: "symbol", "symbol = $1", "Trades in this instrument.";
        action: "action", "action = $1", "Trades of this side.";
        status: "status", "status = $1", "Trades with this status.";
        since: "created_at", "created_at >= $1", "Trades that were created at this time or later.";
        until: "created_at", "created_at < $1", "Trades that were created before this time.";
        updated_since: "updated_at", "updated_at >= $1", "Trades that were changed at this time or later.";
    };
}

impl Creatable for Trade {
    const GIVEN: &'static [&'static str] = &[
        "portfolio_id",
        "session_id",
        "symbol",
        "action",
        "quantity",
        "order_type",
        "limit_price",
        "stop_price",
        "decision_rationale",
        "confidence_score",
        "metadata_json",
    ];
    const ABOVE_ZERO: &'static [&'static str] = &["quantity"];
}

impl Patchable for Trade {
    const CHANGED: &'static [&'static str] =
        &["limit_price", "stop_price", "decision_rationale", "confidence_score", "metadata_json"];
}

impl Resource for Execution {
    type View = Self;
    const PATH: &'static str = "executions";
    const ROW: &'static str = "Execution";
    const FILTERS: &'static [ListFilter] = filters! {
        trade_id: "trade_id", "trade_id = $1", "Executions of this trade.";
        symbol: "symbol", "symbol = $1", "Executions in this instrument.";
        execution_id: "execution_id", "execution_id = $1", "The execution with this identifier of its venue.";
        since: "executed_at", "executed_at >= $1", "Executions at this time or later.";
        until: "executed_at", "executed_at < $1", "Executions before this time.";
    };
}

impl Resource for TradingSession {
    type View = SessionView;
    const PATH: &'static str = "sessions";
    const ROW: &'static str = "TradingSession";
    const FILTERS: &'static [ListFilter] = filters! {
        portfolio_id: "portfolio_id", "portfolio_id = $1", "Trading sessions of this portfolio.";
        session_type: "session_type", "session_type = $1", "Trading sessions of this mode.";
        status: "status", "status = $1", "Trading sessions with this status.";
        since: "started_at", "started_at >= $1", "Trading sessions that started at this time or later.";
        until: "started_at", "started_at < $1", "Trading sessions that started before this time.";
    };
}

impl Creatable for TradingSession {
    const GIVEN: &'static [&'static str] = &[
        "portfolio_id",
        "session_type",
        "name",
        "description",
        "max_position_size",
        "max_portfolio_exposure",
        "stop_loss_percentage",
        "take_profit_percentage",
        "starting_capital",
        "metadata_json",
    ];

    fn complete(new: &mut Map<String, Value>) {
        copy(new, "starting_capital", "current_capital");
    }
}

impl Patchable for TradingSession {
    const CHANGED: &'static [&'static str] = &[
        "status",
        "name",
        "description",
        "max_position_size",
        "max_portfolio_exposure",
        "stop_loss_percentage",
        "take_profit_percentage",
        "stopped_at",
        "metadata_json",
    ];
}

/// Gives a field the value of another one.
fn copy(new: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = new.get(from).cloned() {
        new.insert(to.to_owned(), value);
    }
}
