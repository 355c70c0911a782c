//! An eager load returns the same rows as a loop that reads relation by relation.

use tallybook::book::{
    Execution, Executions, LimitOffset, PortfolioId, PortfolioWithPositions, PortfolioWithRelations,
    PortfolioWithTrades, Portfolios, Position, Positions, Trade, TradeId, TradeWithExecutions, Trades,
    TradingSession, TradingSessionId, TradingSessions,
};
use tallybook::{Database, ReadSession};

use crate::many_parents::{MANY_PARENTS, PARENTS};
use crate::template_books::on_copies;

const ALL: LimitOffset = LimitOffset::first(u32::MAX);

/// Returns unsorted parents: some with many children, some with few or none, and some that do not exist.
fn chosen<T: From<i64>>() -> Vec<T> {
    [2, PARENTS * 10, 1, 3, -1, 0].into_iter().chain((0..150).map(|n| 5_000 - n * 31)).map(T::from).collect()
}

async fn positions(session: &mut ReadSession, portfolio: PortfolioId) -> Vec<Position> {
    Positions::new(session).get_by_portfolio(portfolio, ALL).await.unwrap()
}

async fn trades(session: &mut ReadSession, portfolio: PortfolioId) -> Vec<Trade> {
    Trades::new(session).get_by_portfolio(portfolio, ALL).await.unwrap()
}

async fn sessions(session: &mut ReadSession, portfolio: PortfolioId) -> Vec<TradingSession> {
    TradingSessions::new(session).get_by_portfolio(portfolio, ALL).await.unwrap()
}

async fn executions(session: &mut ReadSession, trade: TradeId) -> Vec<Execution> {
    Executions::new(session).get_by_trade(trade).await.unwrap()
}

async fn with_executions(session: &mut ReadSession, trades: Vec<Trade>) -> Vec<TradeWithExecutions> {
    let mut found = Vec::new();
    for trade in trades {
        found.push(TradeWithExecutions { executions: executions(session, trade.id).await, trade });
    }
    found
}

/// Sorts newest first, like every list of trades.
fn sort(trades: &mut [TradeWithExecutions]) {
    trades.sort_by_key(|found| std::cmp::Reverse((found.trade.created_at, found.trade.id)));
}

/// Compares without printing thousands of rows.
fn assert_same<T: PartialEq>(eager: &[T], naive: &[T]) {
    assert_eq!(eager.len(), naive.len());
    let difference = eager.iter().zip(naive).position(|(eager, naive)| eager != naive);
    assert_eq!(difference, None, "the first that differs");
}

on_copies! { of MANY_PARENTS:
    async fn portfolios_come_with_the_positions_that_a_loop_finds(db: &Database) {
        let mut session = db.read().await.unwrap();
        let mut naive = Vec::new();
        for id in chosen() {
            let one = Portfolios::new(&mut session).get_with_positions(id).await.unwrap();
            let portfolio = Portfolios::new(&mut session).get(id).await.unwrap();
            let positions = positions(&mut session, id).await;
            let expected = portfolio.map(|portfolio| PortfolioWithPositions { portfolio, positions });
            assert_eq!(one, expected);
            naive.extend(expected);
        }
        let eager = Portfolios::new(&mut session).get_many_with_positions(&chosen()).await.unwrap();
        assert_same(&eager, &naive);
        assert!(eager.iter().any(|found| found.positions.is_empty()));
    }

    async fn portfolios_come_with_the_trades_that_a_loop_finds(db: &Database) {
        let mut session = db.read().await.unwrap();
        let mut naive = Vec::new();
        for id in chosen() {
            let one = Portfolios::new(&mut session).get_with_trades(id).await.unwrap();
            let portfolio = Portfolios::new(&mut session).get(id).await.unwrap();
            let trades = trades(&mut session, id).await;
            let expected = portfolio.map(|portfolio| PortfolioWithTrades { portfolio, trades });
            assert_eq!(one, expected);
            naive.extend(expected);
        }
        let eager = Portfolios::new(&mut session).get_many_with_trades(&chosen()).await.unwrap();
        assert_same(&eager, &naive);
        assert!(eager.iter().any(|found| found.trades.is_empty()));
    }

    async fn portfolios_come_with_all_relations_that_loops_find(db: &Database) {
        let mut session = db.read().await.unwrap();
        let mut naive = Vec::new();
        for id in chosen() {
            let one = Portfolios::new(&mut session).get_with_all_relations(id).await.unwrap();
            let portfolio = Portfolios::new(&mut session).get(id).await.unwrap();
            let positions = positions(&mut session, id).await;
            let trades = trades(&mut session, id).await;
            let sessions = sessions(&mut session, id).await;
            let expected = portfolio
                .map(|portfolio| PortfolioWithRelations { portfolio, positions, trades, sessions });
            assert_eq!(one, expected);
            naive.extend(expected);
        }
        let eager = Portfolios::new(&mut session).get_many_with_all_relations(&chosen()).await.unwrap();
        assert_same(&eager, &naive);
        assert!(eager.iter().any(|found| found.sessions.is_empty()));
    }

    async fn trades_come_with_the_executions_that_a_loop_finds(db: &Database) {
        let mut session = db.read().await.unwrap();
        let mut naive = Vec::new();
        for id in chosen() {
            let one = Trades::new(&mut session).get_with_executions(id).await.unwrap();
            let trade = Trades::new(&mut session).get(id).await.unwrap();
            let expected = with_executions(&mut session, trade.into_iter().collect()).await;
            assert_same(one.as_slice(), &expected);
            naive.extend(expected);
        }
        let eager = Trades::new(&mut session).get_many_with_executions(&chosen()).await.unwrap();
        assert_same(&eager, &naive);
        assert!(eager.iter().any(|found| found.executions.is_empty()));
    }

    async fn the_trades_of_sessions_come_with_the_executions_that_loops_find(db: &Database) {
        let mut session = db.read().await.unwrap();
        let mut naive = Vec::new();
        for id in chosen::<TradingSessionId>() {
            let one = Trades::new(&mut session).get_by_session_with_executions(id).await.unwrap();
            let trades = Trades::new(&mut session).get_by_session(id).await.unwrap();
            assert!(trades.iter().all(|trade| trade.session_id == Some(id)));
            let expected = with_executions(&mut session, trades).await;
            assert_same(&one, &expected);
            naive.extend(expected);
        }
        sort(&mut naive);
        let eager = Trades::new(&mut session).get_many_by_session_with_executions(&chosen()).await.unwrap();
        assert_same(&eager, &naive);
    }

    async fn the_newest_trades_of_portfolios_come_with_the_executions_that_loops_find(db: &Database) {
        let mut session = db.read().await.unwrap();
        let mut naive = Vec::new();
        for id in chosen::<PortfolioId>() {
            let one = Trades::new(&mut session).get_by_portfolio_with_executions(id, 3).await.unwrap();
            let trades = Trades::new(&mut session).get_by_portfolio(id, LimitOffset::first(3)).await.unwrap();
            let expected = with_executions(&mut session, trades).await;
            assert_same(&one, &expected);
            naive.extend(expected);
        }
        sort(&mut naive);
        let eager = Trades::new(&mut session)
            .get_many_by_portfolio_with_executions(&chosen(), 3)
            .await
            .unwrap();
        assert_same(&eager, &naive);
        assert!(eager.iter().filter(|found| found.trade.portfolio_id == PortfolioId::new(3)).count() == 3);
    }

    async fn an_identifier_that_is_given_twice_counts_once(db: &Database) {
        let mut session = db.read().await.unwrap();
        let (twice, once) = ([2, 1, 2], [2, 1]);

        let mut portfolios = Portfolios::new(&mut session);
        let (ids, those) = (twice.map(PortfolioId::new), once.map(PortfolioId::new));
        assert_same(
            &portfolios.get_many_with_all_relations(&ids).await.unwrap(),
            &portfolios.get_many_with_all_relations(&those).await.unwrap(),
        );
        assert_same(
            &portfolios.get_by_ids(&ids).await.unwrap(),
            &portfolios.get_by_ids(&those).await.unwrap(),
        );

        let mut trades = Trades::new(&mut session);
        assert_same(
            &trades.get_many_by_portfolio_with_executions(&ids, 5).await.unwrap(),
            &trades.get_many_by_portfolio_with_executions(&those, 5).await.unwrap(),
        );
        assert_same(
            &trades.get_many_by_session_with_executions(&twice.map(TradingSessionId::new)).await.unwrap(),
            &trades.get_many_by_session_with_executions(&once.map(TradingSessionId::new)).await.unwrap(),
        );
    }

    async fn no_identifiers_find_nothing(db: &Database) {
        let mut session = db.read().await.unwrap();
        let mut portfolios = Portfolios::new(&mut session);
        assert_eq!(portfolios.get_many_with_positions(&[]).await.unwrap(), []);
        assert_eq!(portfolios.get_many_with_trades(&[]).await.unwrap(), []);
        assert_eq!(portfolios.get_many_with_all_relations(&[]).await.unwrap(), []);
        let mut trades = Trades::new(&mut session);
        assert_eq!(trades.get_many_with_executions(&[]).await.unwrap(), []);
        assert_eq!(trades.get_many_by_session_with_executions(&[]).await.unwrap(), []);
        assert_eq!(trades.get_many_by_portfolio_with_executions(&[], 5).await.unwrap(), []);
    }
}
