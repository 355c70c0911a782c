//! Methods of the position repository.

use std::future::Future;

use tallybook_core::{Session, all, params};

use super::repository::Repository;
use crate::error::Result;
use crate::ids::PortfolioId;
use crate::models::Position;
use crate::page::LimitOffset;
use crate::sql::statements;
use crate::table::select;

statements! {
    BY_PORTFOLIO = select::<Position>("WHERE portfolio_id = $1 ORDER BY id DESC LIMIT $2 OFFSET $3");
    BY_SYMBOL = select::<Position>("WHERE portfolio_id = $1 AND symbol = $2 ORDER BY id DESC");
}

impl<S: Session> Repository<'_, S, Position> {
    /// Returns the positions of a portfolio. One statement.
    #[track_caller]
    pub fn get_by_portfolio(
        &mut self,
        portfolio: PortfolioId,
        window: LimitOffset,
    ) -> impl Future<Output = Result<Vec<Position>>> + Send {
        let params = params![portfolio, i64::from(window.limit), i64::from(window.skip)];
        self.fetch(all(&*BY_PORTFOLIO, params))
    }

    /// Returns the positions of a portfolio in one symbol: several if it holds both long and short ones, or
    /// separate lots. One statement, by `ix_positions_portfolio_symbol`.
    #[track_caller]
    pub fn get_by_symbol(
        &mut self,
        portfolio: PortfolioId,
        symbol: &str,
    ) -> impl Future<Output = Result<Vec<Position>>> + Send {
        self.fetch(all(&*BY_SYMBOL, params![portfolio, symbol]))
    }
}
