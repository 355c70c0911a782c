//! What only trading sessions offer.

use std::future::Future;

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
    #[track_caller]
    pub fn get_by_portfolio(
        &mut self,
        portfolio: PortfolioId,
        window: Window,
    ) -> impl Future<Output = Result<Vec<TradingSession>>> + Send {
        let params = params![portfolio, i64::from(window.limit), i64::from(window.skip)];
        self.fetch(all(&*BY_PORTFOLIO, params))
    }

    /// The trading sessions with a status. One statement.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_by_status(
        &mut self,
        status: &SessionStatus,
        window: Window,
    ) -> impl Future<Output = Result<Vec<TradingSession>>> + Send {
        let params = params![status, i64::from(window.limit), i64::from(window.skip)];
        self.fetch(all(&*BY_STATUS, params))
    }

    /// The trading sessions that are running. One statement.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_active(&mut self, window: Window) -> impl Future<Output = Result<Vec<TradingSession>>> + Send {
        self.get_by_status(&SessionStatus::Active, window)
    }
}
