//! What only trading sessions offer.

use tallybook_engine::{Session, all, params};

use super::repository::Repository;
use crate::error::Result;
use crate::ids::PortfolioId;
use crate::models::TradingSession;
use crate::page::Window;
use crate::sql::statements;
use crate::table::select;
use crate::words::SessionStatus;

statements! {
    BY_PORTFOLIO = select::<TradingSession>(
        "WHERE portfolio_id = $1 ORDER BY started_at DESC, id DESC LIMIT $2 OFFSET $3",
    );
    BY_STATUS = select::<TradingSession>("WHERE status = $1 ORDER BY started_at DESC, id DESC LIMIT $2 OFFSET $3");
}

impl<S: Session> Repository<'_, S, TradingSession> {
    /// The trading sessions of a portfolio. One statement.
    ///
    /// # Errors
    /// What the database reports.
    pub async fn get_by_portfolio(
        &mut self,
        portfolio: PortfolioId,
        window: Window,
    ) -> Result<Vec<TradingSession>> {
        let params = params![portfolio, i64::from(window.limit), i64::from(window.skip)];
        Ok(self.session.fetch(all(&*BY_PORTFOLIO, params)).await?)
    }

    /// The trading sessions with a status. One statement.
    ///
    /// # Errors
    /// What the database reports.
    pub async fn get_by_status(
        &mut self,
        status: &SessionStatus,
        window: Window,
    ) -> Result<Vec<TradingSession>> {
        let params = params![status, i64::from(window.limit), i64::from(window.skip)];
        Ok(self.session.fetch(all(&*BY_STATUS, params)).await?)
    }

    /// The trading sessions that are running. One statement.
    ///
    /// # Errors
    /// What the database reports.
    pub async fn get_active(&mut self, window: Window) -> Result<Vec<TradingSession>> {
        self.get_by_status(&SessionStatus::Active, window).await
    }
}
