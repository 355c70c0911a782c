//! What only positions offer.

use std::future::Future;

use tallybook_engine::{Session, all, params};

use super::repository::Repository;
use crate::error::Result;
use crate::ids::PortfolioId;
use crate::models::Position;
use crate::page::Window;
use crate::sql::statements;
use crate::table::select;

statements! {
    BY_PORTFOLIO = select::<Position>("WHERE portfolio_id = $1 ORDER BY id DESC LIMIT $2 OFFSET $3");
    BY_SYMBOL = select::<Position>("WHERE portfolio_id = $1 AND symbol = $2 ORDER BY id DESC");
}

impl<S: Session> Repository<'_, S, Position> {
    /// The positions of a portfolio. One statement.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_by_portfolio(
        &mut self,
        portfolio: PortfolioId,
        window: Window,
    ) -> impl Future<Output = Result<Vec<Position>>> + Send {
        let params = params![portfolio, i64::from(window.limit), i64::from(window.skip)];
        self.fetch(all(&*BY_PORTFOLIO, params))
    }

    /// What a portfolio holds of a symbol: several rows where it holds it long and short, or in lots. One
    /// statement, by `ix_positions_portfolio_symbol`.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_by_symbol(
        &mut self,
        portfolio: PortfolioId,
        symbol: &str,
    ) -> impl Future<Output = Result<Vec<Position>>> + Send {
        self.fetch(all(&*BY_SYMBOL, params![portfolio, symbol]))
    }
}
