//! Methods of the portfolio repository.

use std::future::Future;

use tallybook_core::{Batch, CallSite, Session, all, optional, params};

use super::repository::{Repository, in_order, numbers};
use crate::advice::advice;
use crate::aggregates::{Children, PortfolioWithPositions, PortfolioWithRelations, PortfolioWithTrades};
use crate::error::Result;
use crate::ids::PortfolioId;
use crate::models::{Portfolio, Position, Trade, TradingSession};
use crate::sql::statements;
use crate::table::{Table, children, select};
use crate::time_order::newest_first;

statements! {
    BY_NAME = select::<Portfolio>("WHERE name = $1");
    POSITIONS = select::<Position>("WHERE portfolio_id = $1 ORDER BY id DESC");
    POSITIONS_OF_MANY = select::<Position>("WHERE portfolio_id = ANY($1) ORDER BY id DESC");
    TRADES = children::<Trade>("portfolio_id", "ORDER BY created_at DESC, id DESC");
    TRADES_OF_MANY = select::<Trade>("WHERE portfolio_id = ANY($1) ORDER BY created_at DESC, id DESC");
    SESSIONS = select::<TradingSession>("WHERE portfolio_id = $1 ORDER BY started_at DESC, id DESC");
    SESSIONS_OF_MANY = select::<TradingSession>("WHERE portfolio_id = ANY($1) ORDER BY started_at DESC, id DESC");
}

impl<S: Session> Repository<'_, S, Portfolio> {
    /// Returns the portfolio with this name. One statement.
    #[track_caller]
    pub fn get_by_name(&mut self, name: &str) -> impl Future<Output = Result<Option<Portfolio>>> + Send {
        self.fetch(optional(&*BY_NAME, params![name]))
    }

    /// A portfolio with its positions. Two statements, one round trip, one snapshot.
    #[track_caller]
    pub fn get_with_positions(
        &mut self,
        id: PortfolioId,
    ) -> impl Future<Output = Result<Option<PortfolioWithPositions>>> + Send {
        let batch = (optional(by_id(), params![id]), all(&*POSITIONS, params![id]));
        let call = CallSite::here().suggest(advice!(Portfolios::get_many_with_positions, "&ids"));
        async move {
            let (portfolio, positions) = self.fetch(batch.called(call)).await?;
            Ok(portfolio.map(|portfolio| PortfolioWithPositions { portfolio, positions }))
        }
    }

    /// As [`get_with_positions`](Self::get_with_positions) for many, in the order of the identifiers. Two
    /// statements, one round trip.
    #[track_caller]
    pub fn get_many_with_positions(
        &mut self,
        ids: &[PortfolioId],
    ) -> impl Future<Output = Result<Vec<PortfolioWithPositions>>> + Send {
        let list = numbers(ids);
        let batch = (all(by_ids(), params![list]), all(&*POSITIONS_OF_MANY, params![list]));
        async move {
            let (portfolios, positions) = self.fetch(batch).await?;
            let mut positions = Children::new(positions, |position: &Position| position.portfolio_id);
            Ok(in_order::<Portfolio>(ids, portfolios)
                .into_iter()
                .map(|portfolio| PortfolioWithPositions {
                    positions: positions.take(&portfolio.id),
                    portfolio,
                })
                .collect())
        }
    }

    /// A portfolio with its trades. Two statements, one round trip, one snapshot.
    #[track_caller]
    pub fn get_with_trades(
        &mut self,
        id: PortfolioId,
    ) -> impl Future<Output = Result<Option<PortfolioWithTrades>>> + Send {
        let batch = (optional(by_id(), params![id]), all(&*TRADES, params![id]));
        let call = CallSite::here().suggest(advice!(Portfolios::get_many_with_trades, "&ids"));
        async move {
            let (portfolio, trades) = self.fetch(batch.called(call)).await?;
            let trades = newest_first(trades);
            Ok(portfolio.map(|portfolio| PortfolioWithTrades { portfolio, trades }))
        }
    }

    /// As [`get_with_trades`](Self::get_with_trades) for many, in the order of the identifiers. Two
    /// statements, one round trip.
    #[track_caller]
    pub fn get_many_with_trades(
        &mut self,
        ids: &[PortfolioId],
    ) -> impl Future<Output = Result<Vec<PortfolioWithTrades>>> + Send {
        let list = numbers(ids);
        let batch = (all(by_ids(), params![list]), all(&*TRADES_OF_MANY, params![list]));
        async move {
            let (portfolios, trades) = self.fetch(batch).await?;
            let mut trades = Children::new(trades, |trade: &Trade| trade.portfolio_id);
            Ok(in_order::<Portfolio>(ids, portfolios)
                .into_iter()
                .map(|portfolio| PortfolioWithTrades { trades: trades.take(&portfolio.id), portfolio })
                .collect())
        }
    }

    /// A portfolio with its positions, trades and trading sessions. Four statements, one round trip, one
    /// snapshot.
    #[track_caller]
    pub fn get_with_all_relations(
        &mut self,
        id: PortfolioId,
    ) -> impl Future<Output = Result<Option<PortfolioWithRelations>>> + Send {
        let batch = (
            optional(by_id(), params![id]),
            all(&*POSITIONS, params![id]),
            all(&*TRADES, params![id]),
            all(&*SESSIONS, params![id]),
        );
        let call = CallSite::here().suggest(advice!(Portfolios::get_many_with_all_relations, "&ids"));
        async move {
            let (portfolio, positions, trades, sessions) = self.fetch(batch.called(call)).await?;
            let (trades, sessions) = (newest_first(trades), newest_first(sessions));
            Ok(portfolio.map(|portfolio| PortfolioWithRelations { portfolio, positions, trades, sessions }))
        }
    }

    /// As [`get_with_all_relations`](Self::get_with_all_relations) for many, in the order of the
    /// identifiers. Four statements, one round trip.
    #[track_caller]
    pub fn get_many_with_all_relations(
        &mut self,
        ids: &[PortfolioId],
    ) -> impl Future<Output = Result<Vec<PortfolioWithRelations>>> + Send {
        let list = numbers(ids);
        let batch = (
            all(by_ids(), params![list]),
            all(&*POSITIONS_OF_MANY, params![list]),
            all(&*TRADES_OF_MANY, params![list]),
            all(&*SESSIONS_OF_MANY, params![list]),
        );
        async move {
            let (portfolios, positions, trades, sessions) = self.fetch(batch).await?;
            let mut positions = Children::new(positions, |position: &Position| position.portfolio_id);
            let mut trades = Children::new(trades, |trade: &Trade| trade.portfolio_id);
            let mut sessions = Children::new(sessions, |session: &TradingSession| session.portfolio_id);
            Ok(in_order::<Portfolio>(ids, portfolios)
                .into_iter()
                .map(|portfolio| PortfolioWithRelations {
                    positions: positions.take(&portfolio.id),
                    trades: trades.take(&portfolio.id),
                    sessions: sessions.take(&portfolio.id),
                    portfolio,
                })
                .collect())
        }
    }
}

fn by_id() -> &'static tallybook_core::Statement {
    &Portfolio::statements().by_id
}

fn by_ids() -> &'static tallybook_core::Statement {
    &Portfolio::statements().by_ids
}
