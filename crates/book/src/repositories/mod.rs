//! Where rows come from and go to: a repository for each table, over a session.
//!
//! All repositories read through any session and write only through a write session.

mod executions;
mod increments;
mod newest;
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
