//! What only trades offer.

use std::future::Future;

use tallybook_engine::{Batch, Call, Session, all, optional, params};

use super::repository::{Repository, in_order, numbers};
use crate::aggregates::{TradeWithExecutions, with_executions};
use crate::error::Result;
use crate::ids::{PortfolioId, SessionId, TradeId};
use crate::loader::loader;
use crate::models::{Execution, Trade};
use crate::newest::{List, Spelled, canonical_order, first_of_each, newest_first, settled};
use crate::page::Window;
use crate::sql::statements;
use crate::table::{Table, children, select, text};
use crate::words::TradeStatus;

statements! {
    BY_PORTFOLIO: List = List::new::<Trade>("portfolio_id = $1", 1);
    BY_STATUS: List = List::new::<Trade>("status = $1", 1).planned_by_values();
    BY_PORTFOLIO_AND_STATUS: List =
        List::new::<Trade>("portfolio_id = $1 AND status = $2", 2).planned_by_values();
    BY_SESSION = children::<Trade>("session_id", "ORDER BY created_at DESC, id DESC");
    BY_SESSIONS = select::<Trade>("WHERE session_id = ANY($1) ORDER BY created_at DESC, id DESC");
    NEWEST_OF_PORTFOLIO = select::<Trade>("WHERE portfolio_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2");
    NEWEST_OF_PORTFOLIOS = newest_of_portfolios(NEWEST);
    SETTLED_OF_PORTFOLIOS = newest_of_portfolios(&canonical_order("created_at"));
    EXECUTIONS = select::<Execution>("WHERE trade_id = $1 ORDER BY executed_at DESC, id DESC");
    EXECUTIONS_OF_MANY = select::<Execution>("WHERE trade_id = ANY($1) ORDER BY executed_at DESC, id DESC");
    EXECUTIONS_OF_SESSION = executions_of("SELECT id FROM trades WHERE session_id = $1");
    EXECUTIONS_OF_SESSIONS = executions_of("SELECT id FROM trades WHERE session_id = ANY($1)");
    EXECUTIONS_OF_NEWEST = executions_of_few(
        "SELECT id FROM trades WHERE portfolio_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2",
    );
    EXECUTIONS_OF_NEWEST_OF_MANY = executions_of(&newest_ids(NEWEST));
    SETTLED_OF_PORTFOLIO = settled_of_portfolio();
    EXECUTIONS_OF_SETTLED = executions_of(&settled_ids());
    EXECUTIONS_OF_SETTLED_OF_MANY = executions_of(&newest_ids(&canonical_order("created_at")));
}

const NEWEST: &str = "created_at DESC, id DESC";

/// The identifiers of the newest `$2` trades of each of the portfolios `$1`.
fn newest_ids(order: &str) -> String {
    format!(
        "SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY portfolio_id ORDER BY {order}) AS place \
         FROM trades WHERE portfolio_id = ANY($1)) AS placed WHERE place <= $2"
    )
}

fn newest_of_portfolios(order: &str) -> tallybook_engine::Statement {
    select::<Trade>(&format!("WHERE id IN ({}) ORDER BY {order}", newest_ids(order)))
}

/// The clauses after `FROM trades` that select the newest `$2` of portfolio `$1`, ordered by canonical time on SQLite.
fn settled_newest() -> String {
    settled::<Trade>("portfolio_id = $1", "$2", "LIMIT $2")
}

fn settled_of_portfolio() -> tallybook_engine::Statement {
    select::<Trade>(&settled_newest())
}

fn settled_ids() -> String {
    format!("SELECT id FROM trades {}", settled_newest())
}

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
        let call = Call::here();
        // Nothing loads what lies behind the newest trades of many portfolios.
        let call = if window.skip == 0 { call.instead(MANY_BY_PORTFOLIO) } else { call };
        self.window(&BY_PORTFOLIO, move || params![portfolio], window, call)
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
        let status = status.clone();
        self.window(&BY_STATUS, move || params![status], window, Call::here())
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
        let status = status.clone();
        self.window(&BY_PORTFOLIO_AND_STATUS, move || params![portfolio, status], window, Call::here())
    }

    /// The trades of a trading session. One statement, by `ix_trades_session_id`.
    ///
    /// # Errors
    /// What the database reports.
    #[track_caller]
    pub fn get_by_session(&mut self, session: SessionId) -> impl Future<Output = Result<Vec<Trade>>> + Send {
        let call = Call::here().instead(MANY_BY_SESSION);
        let query = all(&*BY_SESSION, params![session]).called(call);
        async move { Ok(newest_first(self.fetch(query).await?)) }
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
            Ok(with_executions(newest_first(trades), executions))
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
            Ok(with_executions(newest_first(trades), executions))
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
            let executions = newest_first(executions);
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
        let params = move |more| params![portfolio, i64::from(limit) + more];
        let call = Call::here().instead(MANY_BY_PORTFOLIO);
        async move {
            let trades = all::<Spelled<Trade>>(&*NEWEST_OF_PORTFOLIO, params(self.rows_behind()));
            let batch = (trades, all(&*EXECUTIONS_OF_NEWEST, params(0)));
            let (trades, executions) = self.fetch(batch.called(call)).await?;
            let settled = self.settled(&BY_PORTFOLIO, trades, limit, || params![portfolio], call).await?;
            if let Some((trades, _)) = settled {
                return Ok(with_executions(trades, executions));
            }
            let batch = (all(&*SETTLED_OF_PORTFOLIO, params(0)), all(&*EXECUTIONS_OF_SETTLED, params(0)));
            let (trades, executions) = Box::pin(self.fetch(batch.called(call))).await?;
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
        let params = move |more| params![list, i64::from(limit) + more];
        let call = Call::here();
        async move {
            let trades = all::<Spelled<Trade>>(&*NEWEST_OF_PORTFOLIOS, params(self.rows_behind()));
            let batch = (trades, all(&*EXECUTIONS_OF_NEWEST_OF_MANY, params(0)));
            let (trades, executions) = self.fetch(batch.called(call)).await?;
            if let Some(trades) = first_of_each(trades, |trade| trade.portfolio_id, limit as usize) {
                return Ok(with_executions(trades, executions));
            }
            let batch =
                (all(&*SETTLED_OF_PORTFOLIOS, params(0)), all(&*EXECUTIONS_OF_SETTLED_OF_MANY, params(0)));
            let (trades, executions) = Box::pin(self.fetch(batch.called(call))).await?;
            Ok(with_executions(trades, executions))
        }
    }
}
