//! Trading sessions.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook_engine::now;

use crate::changes::changes;
use crate::ids::{PortfolioId, SessionId};
use crate::table::table;
use crate::words::{SessionStatus, SessionType};

model! {
    /// A trading session: a stretch of trading for a portfolio, with its limits and its score.
    TradingSession(SessionId);
    /// A trading session to create.
    NewTradingSession;
    /// The portfolio it trades for.
    portfolio_id: PortfolioId,
    /// What it trades with.
    #[row(max = 20)]
    session_type: SessionType,
    /// Where it is in its life.
    #[row(max = 20)]
    status: SessionStatus,
    /// Its name.
    #[row(max = 255)]
    name: Option<String>,
    /// What it is for.
    #[row(max = 1000)]
    description: Option<String>,
    /// The largest position it may open.
    max_position_size: Option<Decimal>,
    /// The most of the portfolio it may put at risk.
    max_portfolio_exposure: Option<Decimal>,
    /// The loss, in percent, at which a position is closed.
    stop_loss_percentage: Option<Decimal>,
    /// The gain, in percent, at which a position is closed.
    take_profit_percentage: Option<Decimal>,
    /// What it began with.
    starting_capital: Decimal,
    /// What it has now.
    current_capital: Decimal,
    /// Gain or loss so far.
    total_pnl: Decimal,
    /// Trades made.
    total_trades: i64,
    /// Trades won.
    winning_trades: i64,
    /// Trades lost.
    losing_trades: i64,
    /// When it began.
    started_at: DateTime<Utc>,
    /// When it ended.
    stopped_at: Option<DateTime<Utc>>,
    /// Anything else, as JSON.
    metadata_json: Option<String>,
}

impl NewTradingSession {
    /// An active session with 100,000 of capital, begun now.
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
    /// Changes to a trading session.
    TradingSessionChanges {
        /// Sets where it is in its life.
        status: SessionStatus,
        /// Renames it.
        name: Option<String>,
        /// Describes it anew.
        description: Option<String>,
        /// Sets the largest position it may open.
        max_position_size: Option<Decimal>,
        /// Sets the most of the portfolio it may put at risk.
        max_portfolio_exposure: Option<Decimal>,
        /// Sets the loss, in percent, at which a position is closed.
        stop_loss_percentage: Option<Decimal>,
        /// Sets the gain, in percent, at which a position is closed.
        take_profit_percentage: Option<Decimal>,
        /// Sets what it has now.
        current_capital: Decimal,
        /// Sets the gain or loss so far.
        total_pnl: Decimal,
        /// Sets the trades made.
        total_trades: i64,
        /// Sets the trades won.
        winning_trades: i64,
        /// Sets the trades lost.
        losing_trades: i64,
        /// Sets when it ended.
        stopped_at: Option<DateTime<Utc>>,
        /// Sets its metadata.
        metadata_json: Option<String>,
    }
}

table!(
    TradingSession, NewTradingSession, TradingSessionChanges, SessionId, TradingSessions,
    "trading_sessions", "trading session", order: started_at, touch: false
);
