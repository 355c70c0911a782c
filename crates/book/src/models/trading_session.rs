//! Trading sessions.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook_core::now;

use crate::changes::changes;
use crate::enums::{SessionStatus, SessionType};
use crate::ids::{PortfolioId, TradingSessionId};
use crate::table::table;

model! {
    /// A trading session: a period of trading for a portfolio, with its limits and results.
    TradingSession(TradingSessionId);
    /// A trading session to create.
    NewTradingSession;
    /// The portfolio that it trades for.
    portfolio_id: PortfolioId,
    /// Mode: live, paper or backtest.
    #[row(max = 20)]
    session_type: SessionType,
    /// Status: active, paused or stopped.
    #[row(max = 20)]
    status: SessionStatus,
    /// Name, at most 255 characters.
    #[row(max = 255)]
    name: Option<String>,
    /// Description, at most 1,000 characters.
    #[row(max = 1000)]
    description: Option<String>,
    /// Maximum size of a single position.
    max_position_size: Option<Decimal>,
    /// Maximum exposure of the portfolio.
    max_portfolio_exposure: Option<Decimal>,
    /// Loss at which a position is closed, in percent.
    stop_loss_percentage: Option<Decimal>,
    /// Gain at which a position is closed, in percent.
    take_profit_percentage: Option<Decimal>,
    /// Capital at the beginning, in the portfolio's currency.
    starting_capital: Decimal,
    /// Current capital, in the portfolio's currency.
    current_capital: Decimal,
    /// Total profit or loss so far, in the portfolio's currency.
    total_pnl: Decimal,
    /// Number of trades so far.
    total_trades: i64,
    /// Number of trades closed with a profit.
    winning_trades: i64,
    /// Number of trades closed with a loss.
    losing_trades: i64,
    /// Time at which the session started, in UTC.
    started_at: DateTime<Utc>,
    /// Time at which the session stopped, in UTC; `None` while it runs.
    stopped_at: Option<DateTime<Utc>>,
    /// Additional data, as JSON text.
    metadata_json: Option<String>,
}

impl NewTradingSession {
    /// Creates an active session with a capital of 100,000, started now.
    pub fn new(portfolio_id: PortfolioId, session_type: SessionType) -> Self {
        Self {
            portfolio_id,
            session_type,
            status: SessionStatus::Active,
            name: None,
            description: None,
            max_position_size: None,
            max_portfolio_exposure: None,
            stop_loss_percentage: None,
            take_profit_percentage: None,
            starting_capital: Decimal::from(100_000),
            current_capital: Decimal::from(100_000),
            total_pnl: Decimal::ZERO,
            total_trades: 0,
            winning_trades: 0,
            losing_trades: 0,
            started_at: now(),
            stopped_at: None,
            metadata_json: None,
        }
    }
}

changes! {
    /// A changeset for a trading session.
    TradingSessionChanges {
        /// Sets the status.
        status: SessionStatus,
        /// Sets the name.
        name: Option<String>,
        /// Sets the description.
        description: Option<String>,
        /// Sets the maximum size of a single position.
        max_position_size: Option<Decimal>,
        /// Sets the maximum exposure of the portfolio.
        max_portfolio_exposure: Option<Decimal>,
        /// Sets the loss at which a position is closed, in percent.
        stop_loss_percentage: Option<Decimal>,
        /// Sets the gain at which a position is closed, in percent.
        take_profit_percentage: Option<Decimal>,
        /// Sets the current capital.
        current_capital: Decimal,
        /// Sets the total profit or loss.
        total_pnl: Decimal,
        /// Sets the number of trades.
        total_trades: i64,
        /// Sets the number of winning trades.
        winning_trades: i64,
        /// Sets the number of losing trades.
        losing_trades: i64,
        /// Sets the time at which the session stopped.
        stopped_at: Option<DateTime<Utc>>,
        /// Sets the additional data.
        metadata_json: Option<String>,
    }
}

table!(
    TradingSession, NewTradingSession, TradingSessionChanges, TradingSessionId, TradingSessions,
    "trading_sessions", "trading session", order: started_at, touch: false
);
