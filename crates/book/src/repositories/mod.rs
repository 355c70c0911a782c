//! Repositories: one for each table, each working through a session.
//!
//! A repository reads through any session and writes only through a write session.

mod executions;
mod increments;
mod paging;
mod portfolios;
mod positions;
mod repository;
mod trades;
mod trading_sessions;
mod update;

pub use repository::Repository;
pub use update::{Delete, Update};

use crate::models::{Execution, Portfolio, Position, Trade, TradingSession};

/// The repository of portfolios.
pub type Portfolios<'s, S> = Repository<'s, S, Portfolio>;
/// The repository of positions.
pub type Positions<'s, S> = Repository<'s, S, Position>;
/// The repository of trades.
pub type Trades<'s, S> = Repository<'s, S, Trade>;
/// The repository of executions.
pub type Executions<'s, S> = Repository<'s, S, Execution>;
/// The repository of trading sessions.
pub type TradingSessions<'s, S> = Repository<'s, S, TradingSession>;
