//! Methods of the trade repository.

use std::future::Future;

use tallybook_core::{Batch, CallSite, Session, all, optional, params};

use super::repository::{Repository, in_order, numbers};
use crate::advice::advice;
use crate::aggregates::{TradeWithExecutions, with_executions};
use crate::enums::TradeStatus;
use crate::error::Result;
use crate::ids::{PortfolioId, TradeId, TradingSessionId};
use crate::models::{Execution, Trade};
use crate::page::LimitOffset;
use crate::sql::statements;
use crate::table::{Table, children, select, text};
use crate::time_order::{
    IndexedRow, ListStatements, by_time, canonical_order, newest_first, take_per_parent,
};

statements! {
    BY_PORTFOLIO: ListStatements = ListStatements::new::<Trade>("portfolio_id = $1", 1);
    BY_STATUS: ListStatements = ListStatements::new::<Trade>("status = $1", 1).custom_plan();
    BY_PORTFOLIO_AND_STATUS: ListStatements =
        ListStatements::new::<Trade>("portfolio_id = $1 AND status = $2", 2).custom_plan();
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
    BY_TIME_OF_PORTFOLIO = by_time_of_portfolio();
    EXECUTIONS_BY_TIME = executions_of(&ids_by_time());
    EXECUTIONS_BY_TIME_OF_MANY = executions_of(&newest_ids(&canonical_order("created_at")));
}

const NEWEST: &str = "created_at DESC, id DESC";

/// Selects the identifiers of the newest `$2` trades of each of the portfolios `$1`.
fn newest_ids(order: &str) -> String {
    format!(
        "SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY portfolio_id ORDER BY {order}) AS place \
         FROM trades WHERE portfolio_id = ANY($1)) AS placed WHERE place <= $2"
    )
}

fn newest_of_portfolios(order: &str) -> tallybook_core::Statement {
    select::<Trade>(&format!("WHERE id IN ({}) ORDER BY {order}", newest_ids(order)))
}

/// Returns the clauses after `FROM trades` that select the newest `$2` of portfolio `$1`, ordered by canonical
/// time on SQLite.
fn newest_by_time() -> String {
    by_time::<Trade>("portfolio_id = $1", "$2", "LIMIT $2")
}

fn by_time_of_portfolio() -> tallybook_core::Statement {
    select::<Trade>(&newest_by_time())
}

fn ids_by_time() -> String {
    format!("SELECT id FROM trades {}", newest_by_time())
}

const NEWEST_EXECUTED: &str = "ORDER BY executed_at DESC, id DESC";

const MANY_BY_PORTFOLIO: &str = advice!(Trades::get_many_by_portfolio_with_executions, "&portfolios, limit");
const MANY_BY_SESSION: &str = advice!(Trades::get_many_by_session_with_executions, "&sessions");

/// Selects the executions of the trades that a subquery selects. The statement travels in the same round trip as
/// the one that reads the trades.
fn executions_of(trades: &str) -> tallybook_core::Statement {
    select::<Execution>(&format!("WHERE trade_id IN ({trades}) {NEWEST_EXECUTED}"))
}

/// As [`executions_of`], for a subquery that selects few trades. On PostgreSQL it collects them into an array
/// first, which avoids a hash join; the planner assumes ten elements, however many there are.
fn executions_of_few(trades: &str) -> tallybook_core::Statement {
    let postgres = text::<Execution>(&format!("WHERE trade_id = ANY(ARRAY({trades})) {NEWEST_EXECUTED}"));
    let sqlite = text::<Execution>(&format!("WHERE trade_id IN ({trades}) {NEWEST_EXECUTED}"));
    tallybook_core::Statement::per_dialect_owned(postgres, sqlite)
}

impl<S: Session> Repository<'_, S, Trade> {
    /// Returns the trades of a portfolio. One statement, by `ix_trades_portfolio_created`.
    #[track_caller]
    pub fn get_by_portfolio(
        &mut self,
        portfolio: PortfolioId,
        window: LimitOffset,
    ) -> impl Future<Output = Result<Vec<Trade>>> + Send {
        let call = CallSite::here();
        // No eager load covers rows after the newest ones of many portfolios.
        let call = if window.skip == 0 { call.suggest(MANY_BY_PORTFOLIO) } else { call };
        self.window(&BY_PORTFOLIO, move || params![portfolio], window, call)
    }

    /// Returns the trades with a status. One statement.
    #[track_caller]
    pub fn get_by_status(
        &mut self,
        status: &TradeStatus,
        window: LimitOffset,
    ) -> impl Future<Output = Result<Vec<Trade>>> + Send {
        let status = status.clone();
        self.window(&BY_STATUS, move || params![status], window, CallSite::here())
    }

    /// Returns the trades of a portfolio with a status. One statement: by `ix_trades_portfolio_status` for a rare
    /// status, by `ix_trades_portfolio_created` for a common one.
    #[track_caller]
    pub fn get_by_portfolio_and_status(
        &mut self,
        portfolio: PortfolioId,
        status: &TradeStatus,
        window: LimitOffset,
    ) -> impl Future<Output = Result<Vec<Trade>>> + Send {
        let status = status.clone();
        self.window(&BY_PORTFOLIO_AND_STATUS, move || params![portfolio, status], window, CallSite::here())
    }

    /// Returns the trades of a trading session. One statement, by `ix_trades_session_id`.
    #[track_caller]
    pub fn get_by_session(
        &mut self,
        session: TradingSessionId,
    ) -> impl Future<Output = Result<Vec<Trade>>> + Send {
        let call = CallSite::here().suggest(MANY_BY_SESSION);
        let query = all(&*BY_SESSION, params![session]).called(call);
        async move { Ok(newest_first(self.fetch(query).await?)) }
    }

    /// The trades of a trading session with their executions. Two statements, one round trip, one snapshot.
    #[track_caller]
    pub fn get_by_session_with_executions(
        &mut self,
        session: TradingSessionId,
    ) -> impl Future<Output = Result<Vec<TradeWithExecutions>>> + Send {
        let batch = (all(&*BY_SESSION, params![session]), all(&*EXECUTIONS_OF_SESSION, params![session]));
        let call = CallSite::here().suggest(MANY_BY_SESSION);
        async move {
            let (trades, executions) = self.fetch(batch.called(call)).await?;
            Ok(with_executions(newest_first(trades), executions))
        }
    }

    /// As [`get_by_session_with_executions`](Self::get_by_session_with_executions) for many sessions at
    /// once, newest trade first. Two statements, one round trip.
    #[track_caller]
    pub fn get_many_by_session_with_executions(
        &mut self,
        sessions: &[TradingSessionId],
    ) -> impl Future<Output = Result<Vec<TradeWithExecutions>>> + Send {
        let list = numbers(sessions);
        let batch = (all(&*BY_SESSIONS, params![list]), all(&*EXECUTIONS_OF_SESSIONS, params![list]));
        async move {
            let (trades, executions) = self.fetch(batch).await?;
            Ok(with_executions(newest_first(trades), executions))
        }
    }

    /// A trade with its executions. Two statements, one round trip, one snapshot.
    #[track_caller]
    pub fn get_with_executions(
        &mut self,
        id: TradeId,
    ) -> impl Future<Output = Result<Option<TradeWithExecutions>>> + Send {
        let batch = (optional(&Trade::statements().by_id, params![id]), all(&*EXECUTIONS, params![id]));
        let call = CallSite::here().suggest(advice!(Trades::get_many_with_executions, "&ids"));
        async move {
            let (trade, executions) = self.fetch(batch.called(call)).await?;
            let executions = newest_first(executions);
            Ok(trade.map(|trade| TradeWithExecutions { trade, executions }))
        }
    }

    /// As [`get_with_executions`](Self::get_with_executions) for many, in the order of the identifiers. Two
    /// statements, one round trip.
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
    #[track_caller]
    pub fn get_by_portfolio_with_executions(
        &mut self,
        portfolio: PortfolioId,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<TradeWithExecutions>>> + Send {
        let params = move |more| params![portfolio, i64::from(limit) + more];
        let call = CallSite::here().suggest(MANY_BY_PORTFOLIO);
        async move {
            let trades = all::<IndexedRow<Trade>>(&*NEWEST_OF_PORTFOLIO, params(self.lookahead()));
            let batch = (trades, all(&*EXECUTIONS_OF_NEWEST, params(0)));
            let (trades, executions) = self.fetch(batch.called(call)).await?;
            let by_time = self.check_order(&BY_PORTFOLIO, trades, limit, || params![portfolio], call).await?;
            if let Some((trades, _)) = by_time {
                return Ok(with_executions(trades, executions));
            }
            let batch = (all(&*BY_TIME_OF_PORTFOLIO, params(0)), all(&*EXECUTIONS_BY_TIME, params(0)));
            let (trades, executions) = Box::pin(self.fetch(batch.called(call))).await?;
            Ok(with_executions(trades, executions))
        }
    }

    /// As [`get_by_portfolio_with_executions`](Self::get_by_portfolio_with_executions) for many portfolios
    /// at once, at most `limit` trades of each, newest first over all. Two statements, one round trip.
    #[track_caller]
    pub fn get_many_by_portfolio_with_executions(
        &mut self,
        portfolios: &[PortfolioId],
        limit: u32,
    ) -> impl Future<Output = Result<Vec<TradeWithExecutions>>> + Send {
        let list = numbers(portfolios);
        let params = move |more| params![list, i64::from(limit) + more];
        let call = CallSite::here();
        async move {
            let trades = all::<IndexedRow<Trade>>(&*NEWEST_OF_PORTFOLIOS, params(self.lookahead()));
            let batch = (trades, all(&*EXECUTIONS_OF_NEWEST_OF_MANY, params(0)));
            let (trades, executions) = self.fetch(batch.called(call)).await?;
            if let Some(trades) = take_per_parent(trades, |trade| trade.portfolio_id, limit as usize) {
                return Ok(with_executions(trades, executions));
            }
            let batch =
                (all(&*SETTLED_OF_PORTFOLIOS, params(0)), all(&*EXECUTIONS_BY_TIME_OF_MANY, params(0)));
            let (trades, executions) = Box::pin(self.fetch(batch.called(call))).await?;
            Ok(with_executions(trades, executions))
        }
    }
}
