//! Tallybook: portfolios, positions, trades, executions and trading sessions, on SQLite and PostgreSQL.

/// The examples of the page on concurrency.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/concurrency.md")]
struct Concurrency;

/// The engine, `tallybook_engine`, with macros that work for a crate that depends on `tallybook` alone.
pub mod engine {
    // These two take the place of those that name the engine's own crate.
    pub use tallybook_engine::RowOfTheBook as Row;
    pub use tallybook_engine::max_queries_of_the_book as max_queries;

    pub use tallybook_engine::*;
}

mod aggregates;
mod changes;
mod contents;
mod error;
mod ids;
mod loader;
mod models;
mod newest;
mod page;
mod repositories;
mod revisions;
mod sql;
mod survey;
mod table;
mod unreadable;
mod words;

pub use engine::max_queries;
pub use tallybook_engine::{Database, IsolationLevel, ReadSession, Session, Settings, WriteSession, now};

pub use aggregates::{
    PortfolioWithPositions, PortfolioWithRelations, PortfolioWithTrades, TradeWithExecutions,
};
pub use changes::{Assignments, Changes};
pub use contents::{Contents, contents};
pub use error::{Error, Result};
pub use ids::{ExecutionId, Id, PortfolioId, PositionId, SessionId, TradeId};
pub use models::{
    Execution, ExecutionChanges, NewExecution, NewPortfolio, NewPosition, NewTrade, NewTradingSession,
    Portfolio, PortfolioChanges, Position, PositionChanges, Trade, TradeChanges, TradingSession,
    TradingSessionChanges,
};
pub use page::{Cursor, Page, Window};
pub use repositories::{
    Delete, Executions, Portfolios, Positions, Repository, Trades, TradingSessions, Update,
};
pub use revisions::{ALEMBIC, REVISIONS, migrator, upgrade};
pub use survey::{Survey, survey};
pub use table::{Table, Touched};
pub use unreadable::{Flaw, Scanned, Unreadable};
pub use words::{Action, ExecutionType, OrderType, PositionType, SessionStatus, SessionType, TradeStatus};
