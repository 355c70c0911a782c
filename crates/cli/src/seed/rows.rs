//! Made-up rows on their way to the database, and the identifiers they get.

use tallybook::{Execution, Portfolio, Position, Trade, TradingSession};

/// The last identifier that was given, for each table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LastIds {
    pub(super) portfolio: i64,
    pub(super) position: i64,
    pub(super) trade: i64,
    pub(super) execution: i64,
    pub(super) session: i64,
}

/// The next identifier.
pub(super) fn next(last: &mut i64) -> i64 {
    *last += 1;
    *last
}

/// Rows that belong together.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) portfolios: Vec<Portfolio>,
    pub(super) sessions: Vec<TradingSession>,
    pub(super) trades: Vec<Trade>,
    pub(super) executions: Vec<Execution>,
    pub(super) positions: Vec<Position>,
}
