//! What only trades offer.

use std::future::Future;

use tallybook_engine::{Batch, Call, Session, all, optional, params};

use super::repository::{Repository, in_order, numbers};
use crate::aggregates::{TradeWithExecutions, with_executions};
use crate::error::Result;
use crate::ids::{PortfolioId, SessionId, TradeId};
use crate::loader::loader;
use crate::models::{Execution, Trade};
use crate::page::Window;
use crate::sql::statements;
use crate::table::{Table, children, select, text};
use crate::words::TradeStatus;

statements! {
    BY_PORTFOLIO = select::<Trade>("WHERE portfolio_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3");
    BY_STATUS = select::<Trade>("WHERE status = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3")
        .planned_by_values();
    BY_PORTFOLIO_AND_STATUS = select::<Trade>(
        "WHERE portfolio_id = $1 AND status = $2 ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4",
    )
    .planned_by_values();
    BY_SESSION = children::<Trade>("session_id", "ORDER BY created_at DESC, id DESC");
    BY_SESSIONS = select::<Trade>("WHERE session_id = ANY($1) ORDER BY created_at DESC, id DESC");
    NEWEST_OF_PORTFOLIO = select::<Trade>("WHERE portfolio_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2");
    NEWEST_OF_PORTFOLIOS = select::<Trade>(&format!("WHERE id IN ({NEWEST_IDS}) ORDER BY created_at DESC, id DESC"));
    EXECUTIONS = select::<Execution>("WHERE trade_id = $1 ORDER BY executed_at DESC, id DESC");
    EXECUTIONS_OF_MANY = select::<Execution>("WHERE trade_id = ANY($1) ORDER BY executed_at DESC, id DESC");
    EXECUTIONS_OF_SESSION = executions_of("SELECT id FROM trades WHERE session_id = $1");
    EXECUTIONS_OF_SESSIONS = executions_of("SELECT id FROM trades WHERE session_id = ANY($1)");
    EXECUTIONS_OF_NEWEST = executions_of_few(
        "SELECT id FROM trades WHERE portfolio_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2",
    );
    EXECUTIONS_OF_NEWEST_OF_MANY = executions_of(NEWEST_IDS);
}

/// The identifiers of the newest `$2` trades of each of the portfolios `$1`.
const NEWEST_IDS: &str = "SELECT id FROM (\
     SELECT id, row_number() OVER (PARTITION BY portfolio_id ORDER BY created_at DESC, id DESC) AS place \
     FROM trades WHERE portfolio_id = ANY($1)) AS placed WHERE place <= $2";

const NEWEST_EXECUTED: &str = "ORDER BY executed_at DESC, id DESC";

const MANY_BY_PORTFOLIO: &str = loader!(Trades::get_many_by_portfolio_with_executions, "&portfolios, limit");
const MANY_BY_SESSION: &str = loader!(Trades::get_many_by_session_with_executions, "&sessions");

/// The executions of the trades that a subquery names: it travels beside the statement that reads the
/// trades themselves, so neither has to wait for the other.
fn executions_of(trades: &str) -> tallybook_engine::Statement {
    select::<Execution>(&format!("WHERE trade_id IN ({trades}) {NEWEST_EXECUTED}"))
}

/// As [`executions_of`] for a subquery that names few trades. PostgreSQL makes an array of them first, which spares it a
/// hash table and a join; it takes an array for ten values, however many there are.
fn executions_of_few(trades: &str) -> tallybook_engine::Statement {
    let postgres = text::<Execution>(&format!("WHERE trade_id = ANY(ARRAY({trades})) {NEWEST_EXECUTED}"));
    let sqlite = text::<Execution>(&format!("WHERE trade_id IN ({trades}) {NEWEST_EXECUTED}"));
    tallybook_engine::Statement::of_each(postgres, sqlite)
}

impl<S: Session> Repository<'_, S, Trade> {
    /// The trades of a portfolio. One statement, by `ix_trades_portfolio_created`.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_by_portfolio(
        &mut self,
        portfolio: PortfolioId,
        window: Window,
    ) -> impl Future<Output = Result<Vec<Trade>>> + Send {
        let params = params![portfolio, i64::from(window.limit), i64::from(window.skip)];
        let call = Call::here();
        // Nothing loads what lies behind the newest trades of many portfolios.
        let call = if window.skip == 0 { call.instead(MANY_BY_PORTFOLIO) } else { call };
        self.fetch(all(&*BY_PORTFOLIO, params).called(call))
    }

    /// The trades with a status. One statement.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_by_status(
        &mut self,
        status: &TradeStatus,
        window: Window,
    ) -> impl Future<Output = Result<Vec<Trade>>> + Send {
        let params = params![status, i64::from(window.limit), i64::from(window.skip)];
        self.fetch(all(&*BY_STATUS, params))
    }

    /// The trades of a portfolio with a status. One statement: for a rare status by
    /// `ix_trades_portfolio_status`, for a common one by `ix_trades_portfolio_created`.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_by_portfolio_and_status(
        &mut self,
        portfolio: PortfolioId,
        status: &TradeStatus,
        window: Window,
    ) -> impl Future<Output = Result<Vec<Trade>>> + Send {
        let params = params![portfolio, status, i64::from(window.limit), i64::from(window.skip)];
        self.fetch(all(&*BY_PORTFOLIO_AND_STATUS, params))
    }

    /// The trades of a trading session. One statement, by `ix_trades_session_id`.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_by_session(&mut self, session: SessionId) -> impl Future<Output = Result<Vec<Trade>>> + Send {
        let call = Call::here().instead(MANY_BY_SESSION);
        self.fetch(all(&*BY_SESSION, params![session]).called(call))
    }

    /// The trades of a trading session with their executions. Two statements, one round trip, one snapshot.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_by_session_with_executions(
        &mut self,
        session: SessionId,
    ) -> impl Future<Output = Result<Vec<TradeWithExecutions>>> + Send {
        let batch = (all(&*BY_SESSION, params![session]), all(&*EXECUTIONS_OF_SESSION, params![session]));
        let call = Call::here().instead(MANY_BY_SESSION);
        async move {
            let (trades, executions) = self.fetch(batch.called(call)).await?;
            Ok(with_executions(trades, executions))
        }
    }

    /// As [`get_by_session_with_executions`](Self::get_by_session_with_executions) for many sessions at
    /// once, newest trade first. Two statements, one round trip.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_many_by_session_with_executions(
        &mut self,
        sessions: &[SessionId],
    ) -> impl Future<Output = Result<Vec<TradeWithExecutions>>> + Send {
        let list = numbers(sessions);
        let batch = (all(&*BY_SESSIONS, params![list]), all(&*EXECUTIONS_OF_SESSIONS, params![list]));
        async move {
            let (trades, executions) = self.fetch(batch).await?;
            Ok(with_executions(trades, executions))
        }
    }

    /// A trade with its executions. Two statements, one round trip, one snapshot.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_with_executions(
        &mut self,
        id: TradeId,
    ) -> impl Future<Output = Result<Option<TradeWithExecutions>>> + Send {
        let batch = (optional(&Trade::statements().by_id, params![id]), all(&*EXECUTIONS, params![id]));
        let call = Call::here().instead(loader!(Trades::get_many_with_executions, "&ids"));
        async move {
            let (trade, executions) = self.fetch(batch.called(call)).await?;
            Ok(trade.map(|trade| TradeWithExecutions { trade, executions }))
        }
    }

    /// As [`get_with_executions`](Self::get_with_executions) for many, in the order of the identifiers. Two
    /// statements, one round trip.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_many_with_executions(
        &mut self,
        ids: &[TradeId],
    ) -> impl Future<Output = Result<Vec<TradeWithExecutions>>> + Send {
        let list = numbers(ids);
        let batch =
            (all(&Trade::statements().by_ids, params![list]), all(&*EXECUTIONS_OF_MANY, params![list]));
        async move {
            let (trades, executions) = self.fetch(batch).await?;
            Ok(with_executions(in_order(ids, trades), executions))
        }
    }

    /// The newest trades of a portfolio, at most `limit`, with their executions. Two statements, one round
    /// trip, one snapshot.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_by_portfolio_with_executions(
        &mut self,
        portfolio: PortfolioId,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<TradeWithExecutions>>> + Send {
        let params = || params![portfolio, i64::from(limit)];
        let batch = (all(&*NEWEST_OF_PORTFOLIO, params()), all(&*EXECUTIONS_OF_NEWEST, params()));
        let call = Call::here().instead(MANY_BY_PORTFOLIO);
        async move {
            let (trades, executions) = self.fetch(batch.called(call)).await?;
            Ok(with_executions(trades, executions))
        }
    }

    /// As [`get_by_portfolio_with_executions`](Self::get_by_portfolio_with_executions) for many portfolios
    /// at once, at most `limit` trades of each, newest first over all. Two statements, one round trip.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_many_by_portfolio_with_executions(
        &mut self,
        portfolios: &[PortfolioId],
        limit: u32,
    ) -> impl Future<Output = Result<Vec<TradeWithExecutions>>> + Send {
        let list = numbers(portfolios);
        let params = || params![list, i64::from(limit)];
        let batch = (all(&*NEWEST_OF_PORTFOLIOS, params()), all(&*EXECUTIONS_OF_NEWEST_OF_MANY, params()));
        async move {
            let (trades, executions) = self.fetch(batch).await?;
            Ok(with_executions(trades, executions))
        }
    }
}
