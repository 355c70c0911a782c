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
//! session and writes only through a write session. All of that is what [`derive(Table)`](tallybook_tables::tables::Table)
//! writes for any table. Executions are only appended: their repository has [`repair`](Repository::repair) instead of `update` and
//! `delete`.
//!
//! # Relations
//! A row loaded with its relations has a type of its own, such as [`PortfolioWithTrades`]. There is no lazy loading: reading
//! a relation that was not loaded does not compile.
//!
//! ```compile_fail,E0609
//! # async fn example(session: &mut tallybook::ReadSession) -> tallybook::book::Result<()> {
//! use tallybook::book::Portfolios;
//!
//! let loaded = Portfolios::new(session).get_with_positions(7.into()).await?.unwrap();
//! let trades = loaded.trades; // not loaded: no such field
//! # Ok(())
//! # }
//! ```
//!
//! # Lists
//! Lists are ordered newest first. [`LimitOffset`] pages by offset, [`Cursor`] by position, at the same cost at any
//! depth.
//!
//! # Concurrency
//! Increments such as [`Trades::add_filled_quantity`] lock the row. [`Repository::get_for_update`] locks for a decision of
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
extern crate tallybook_tables as tallybook;

mod advice;
pub mod bookkeeping;
mod check;
mod enums;
mod executions;
mod history;
mod inspect;
mod portfolios;
mod positions;
mod record;
mod revisions;
mod rows;
mod trades;
mod trading_sessions;

use tallybook_tables::tables;

pub use check::{
    BookCheck, BookRepair, CheckEvent, Discrepancy, DiscrepancyKind, Figure, RepairError, RepairSql,
    check_book, repair_book,
};
pub use enums::{
    Action, ExecutionType, FillMark, OrderType, PositionType, SessionStatus, SessionType, TradeStatus,
};
pub use executions::{Execution, ExecutionChanges, Executions, NewExecution};
pub use history::{Equity, HistoryError, UpdatePosition};
pub use inspect::{Inspection, inspect};
pub use portfolios::{
    NewPortfolio, Portfolio, PortfolioChanges, PortfolioWithPositions, PortfolioWithRelations,
    PortfolioWithTrades, Portfolios,
};
pub use positions::{NewPosition, Position, PositionChanges, Positions};
pub use record::{Fill, RecordError, Recorded, Reversal, record_fills};
pub use revisions::{ALEMBIC, REVISIONS, migrator, upgrade};
pub use rows::check_rows;
pub use tables::{
    Changes, Cursor, Delete, Error, Filter, Id, LimitOffset, Page, Repository, Result, RowCheck, ScannedRow,
    Table, Touched, UnreadableColumn, UnreadableRow, Update,
};
pub use trades::{NewTrade, Trade, TradeChanges, TradeWithExecutions, Trades};
pub use trading_sessions::{NewTradingSession, TradingSession, TradingSessionChanges, TradingSessions};

/// The identifier of a portfolio.
pub type PortfolioId = Id<Portfolio>;
/// The identifier of a position.
pub type PositionId = Id<Position>;
/// The identifier of a trade.
pub type TradeId = Id<Trade>;
/// The identifier of an execution.
pub type ExecutionId = Id<Execution>;
/// The identifier of a trading session.
pub type TradingSessionId = Id<TradingSession>;
