//! What only trading sessions offer.

use std::future::Future;

use tallybook_engine::{Call, Session, params};

use super::repository::Repository;
use crate::error::Result;
use crate::ids::PortfolioId;
use crate::models::TradingSession;
use crate::newest::List;
use crate::page::Window;
use crate::sql::statements;
use crate::words::SessionStatus;

statements! {
    BY_PORTFOLIO: List = List::new::<TradingSession>("portfolio_id = $1", 1);
    BY_STATUS: List = List::new::<TradingSession>("status = $1", 1);
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
        self.window(&BY_PORTFOLIO, move || params![portfolio], window, Call::here())
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
        let status = status.clone();
        self.window(&BY_STATUS, move || params![status], window, Call::here())
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
