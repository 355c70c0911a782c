//! Methods of the trading session repository.

use std::future::Future;

use tallybook_core::{CallSite, Session, params};

use super::repository::Repository;
use crate::enums::SessionStatus;
use crate::error::Result;
use crate::ids::PortfolioId;
use crate::models::TradingSession;
use crate::page::LimitOffset;
use crate::sql::statements;
use crate::time_order::ListStatements;

statements! {
    BY_PORTFOLIO: ListStatements = ListStatements::new::<TradingSession>("portfolio_id = $1", 1);
    BY_STATUS: ListStatements = ListStatements::new::<TradingSession>("status = $1", 1);
}

impl<S: Session> Repository<'_, S, TradingSession> {
    /// Returns the trading sessions of a portfolio. One statement.
    #[track_caller]
    pub fn get_by_portfolio(
        &mut self,
        portfolio: PortfolioId,
        window: LimitOffset,
    ) -> impl Future<Output = Result<Vec<TradingSession>>> + Send {
        self.window(&BY_PORTFOLIO, move || params![portfolio], window, CallSite::here())
    }

    /// Returns the trading sessions with a status. One statement.
    #[track_caller]
    pub fn get_by_status(
        &mut self,
        status: &SessionStatus,
        window: LimitOffset,
    ) -> impl Future<Output = Result<Vec<TradingSession>>> + Send {
        let status = status.clone();
        self.window(&BY_STATUS, move || params![status], window, CallSite::here())
    }

    /// Returns the active trading sessions. One statement.
    #[track_caller]
    pub fn get_active(
        &mut self,
        window: LimitOffset,
    ) -> impl Future<Output = Result<Vec<TradingSession>>> + Send {
        self.get_by_status(&SessionStatus::Active, window)
    }
}
