//! The trading book: portfolios, positions, trades, executions and trading sessions, on SQLite and PostgreSQL.
//!
//! ```
//! use tallybook::book::{Action, NewPortfolio, NewTrade, Portfolios, Result, Trades, upgrade};
//! use tallybook::{Database, Settings};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<()> {
//! let db = Database::open(Settings::new("sqlite::memory:")?).await?;
//! upgrade(&db).await?;
//!
//! // One transaction: both rows or none.
//! let portfolio = db
//!     .write(async |session| -> Result<_> {
//!         let portfolio = Portfolios::new(session).create(&NewPortfolio::new("Pension")).await?;
//!         let order = NewTrade::market(portfolio.id, Action::Buy, "AAPL", 100.into());
//!         Trades::new(session).create(&order).await?;
//!         Ok(portfolio.id)
//!     })
//!     .await?
//!     .into_value();
//!
//! // Two statements in one round trip, on one snapshot.
//! let mut session = db.read().await?;
//! let loaded = Portfolios::new(&mut session).get_with_trades(portfolio).await?.unwrap();
//! assert_eq!(loaded.trades[0].symbol, "AAPL");
//! # Ok(())
//! # }
//! ```
//!
//! # Tables and repositories
//! Each of the five tables has a row type ([`Trade`]), a type that creates rows ([`NewTrade`]), a changeset
//! ([`TradeChanges`]), a typed identifier ([`TradeId`]) and a [`Repository`] ([`Trades`]). A repository reads through any
//! session and writes only through a write session.
//!
//! # Relations
//! A row loaded with its relations has a type of its own, such as [`PortfolioWithTrades`]. There is no lazy loading.
//!
//! # Lists
//! Lists are ordered newest first. [`LimitOffset`] pages by offset, [`Cursor`] by position, at the same cost at any
//! depth.
//!
//! # Concurrency
//! Increments such as [`Repository::add_filled_quantity`] lock the row. [`Repository::get_for_update`] locks for a decision of
//! the caller's own, and [`Update::expecting`] detects that a row was changed since it was read.
//!
//! # Values
//! Money and quantities are [`Decimal`](rust_decimal::Decimal)s. A value that a column cannot hold exactly is refused, never
//! rounded. Other programs may write to the same tables: unknown status values are preserved, and [`check_rows`] finds rows
//! that cannot be read.
//!
//! # Schema
//! [`upgrade`] applies the book's [`REVISIONS`]. Databases that Alembic made are adopted by [`migrator`], with
//! [`ALEMBIC`] as their versions.

// The derives name the crate `tallybook`.
extern crate tallybook_core as tallybook;

mod advice;
mod aggregates;
mod changes;
mod enums;
mod error;
mod ids;
mod inspect;
mod models;
mod page;
mod repositories;
mod revisions;
mod row_check;
mod sql;
mod table;
mod time_order;
mod unreadable_row;

pub use aggregates::{
    PortfolioWithPositions, PortfolioWithRelations, PortfolioWithTrades, TradeWithExecutions,
};
pub use changes::{Assignments, Changes};
pub use enums::{Action, ExecutionType, OrderType, PositionType, SessionStatus, SessionType, TradeStatus};
pub use error::{Error, Result};
pub use ids::{ExecutionId, Id, PortfolioId, PositionId, TradeId, TradingSessionId};
pub use inspect::{Inspection, inspect};
pub use models::{
    Execution, ExecutionChanges, NewExecution, NewPortfolio, NewPosition, NewTrade, NewTradingSession,
    Portfolio, PortfolioChanges, Position, PositionChanges, Trade, TradeChanges, TradingSession,
    TradingSessionChanges,
};
pub use page::{Cursor, LimitOffset, Page};
pub use repositories::{
    Delete, Executions, Portfolios, Positions, Repository, Trades, TradingSessions, Update,
};
pub use revisions::{ALEMBIC, REVISIONS, migrator, upgrade};
pub use row_check::{RowCheck, check_rows};
pub use table::{Table, Touched};
pub use unreadable_row::{ScannedRow, UnreadableColumn, UnreadableRow};
