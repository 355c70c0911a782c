//! The cost of an eager load: the same for one parent as for thousands.

use tallybook::Counts;
use tallybook::book::{PortfolioId, Portfolios, Result, TradeId, Trades, TradingSessionId};
use tallybook::{Database, ReadSession};

use crate::many_parents::{MANY_PARENTS, PARENTS, SIZES, children_of, trades_of_sessions};
use crate::template_books::on_copies;

/// Number of statements, round trips and rows.
#[derive(Debug, PartialEq)]
struct Cost {
    statements: u64,
    round_trips: u64,
}

const TWO_IN_ONE: Cost = Cost { statements: 2, round_trips: 1 };
const FOUR_IN_ONE: Cost = Cost { statements: 4, round_trips: 1 };

/// Runs a load in a session of its own, and returns its result and cost.
async fn load<T>(db: &Database, load: impl AsyncFnOnce(&mut ReadSession) -> Result<T>) -> (T, Cost) {
    let mut session = db.read().await.unwrap();
    let loaded = load(&mut session).await.unwrap();
    let Counts { statements, round_trips, .. } = session.counts();
    (loaded, Cost { statements, round_trips })
}

fn ids<T: From<i64>>(count: i64) -> Vec<T> {
    (1..=count).map(T::from).collect()
}

/// Returns the three parents of a kind with 1, 100 and 5,000 children.
fn sized() -> impl Iterator<Item = (i64, usize)> {
    (1..).zip(SIZES.map(|size| usize::try_from(size).unwrap()))
}

fn total(of: impl Iterator<Item = usize>) -> usize {
    of.sum()
}

on_copies! { of MANY_PARENTS:
    async fn a_portfolio_with_any_number_of_positions_is_two_statements_in_one_round_trip(db: &Database) {
        for (id, children) in sized() {
            let (found, cost) =
                load(db, async |s| Portfolios::new(s).get_with_positions(PortfolioId::new(id)).await).await;
            assert_eq!((found.unwrap().positions.len(), cost), (children, TWO_IN_ONE));
        }
    }

    async fn a_portfolio_with_any_number_of_trades_is_two_statements_in_one_round_trip(db: &Database) {
        for (id, children) in sized() {
            let (found, cost) =
                load(db, async |s| Portfolios::new(s).get_with_trades(PortfolioId::new(id)).await).await;
            assert_eq!((found.unwrap().trades.len(), cost), (children, TWO_IN_ONE));
        }
    }

    async fn a_portfolio_with_any_number_of_relations_is_four_statements_in_one_round_trip(db: &Database) {
        for (id, children) in sized() {
            let (found, cost) =
                load(db, async |s| Portfolios::new(s).get_with_all_relations(PortfolioId::new(id)).await).await;
            let found = found.unwrap();
            let lengths = [found.positions.len(), found.trades.len(), found.sessions.len()];
            assert_eq!((lengths, cost), ([children; 3], FOUR_IN_ONE));
        }
    }

    async fn a_trade_with_any_number_of_executions_is_two_statements_in_one_round_trip(db: &Database) {
        for (id, children) in sized() {
            let (found, cost) =
                load(db, async |s| Trades::new(s).get_with_executions(TradeId::new(id)).await).await;
            assert_eq!((found.unwrap().executions.len(), cost), (children, TWO_IN_ONE));
        }
    }

    async fn a_session_with_any_number_of_trades_is_two_statements_in_one_round_trip(db: &Database) {
        for (id, parents) in sized() {
            let (found, cost) =
                load(db, async |s| Trades::new(s).get_by_session_with_executions(TradingSessionId::new(id)).await).await;
            assert_eq!((found.len(), cost), (parents, TWO_IN_ONE));
        }
    }

    async fn any_number_of_trades_of_a_portfolio_is_two_statements_in_one_round_trip(db: &Database) {
        for (_, limit) in sized() {
            let (found, cost) = load(db, async |s| {
                Trades::new(s).get_by_portfolio_with_executions(PortfolioId::new(3), limit as u32).await
            })
            .await;
            assert_eq!((found.len(), cost), (limit, TWO_IN_ONE));
        }
    }

    async fn any_number_of_portfolios_with_positions_is_two_statements_in_one_round_trip(db: &Database) {
        for (_, parents) in sized() {
            let ids = ids(parents as i64);
            let (found, cost) =
                load(db, async |s| Portfolios::new(s).get_many_with_positions(&ids).await).await;
            assert_eq!((found.len(), cost), (parents, TWO_IN_ONE));
            assert_eq!(total(found.iter().map(|found| found.positions.len())), children_of(parents));
        }
    }

    async fn any_number_of_portfolios_with_trades_is_two_statements_in_one_round_trip(db: &Database) {
        for (_, parents) in sized() {
            let ids = ids(parents as i64);
            let (found, cost) = load(db, async |s| Portfolios::new(s).get_many_with_trades(&ids).await).await;
            assert_eq!((found.len(), cost), (parents, TWO_IN_ONE));
            assert_eq!(total(found.iter().map(|found| found.trades.len())), children_of(parents));
        }
    }

    async fn any_number_of_portfolios_with_relations_is_four_statements_in_one_round_trip(db: &Database) {
        for (_, parents) in sized() {
            let ids = ids(parents as i64);
            let (found, cost) =
                load(db, async |s| Portfolios::new(s).get_many_with_all_relations(&ids).await).await;
            assert_eq!((found.len(), cost), (parents, FOUR_IN_ONE));
            assert_eq!(total(found.iter().map(|found| found.positions.len())), children_of(parents));
            assert_eq!(total(found.iter().map(|found| found.trades.len())), children_of(parents));
            assert_eq!(total(found.iter().map(|found| found.sessions.len())), children_of(parents));
        }
    }

    async fn any_number_of_trades_with_executions_is_two_statements_in_one_round_trip(db: &Database) {
        for (_, parents) in sized() {
            let ids = ids(parents as i64);
            let (found, cost) = load(db, async |s| Trades::new(s).get_many_with_executions(&ids).await).await;
            assert_eq!((found.len(), cost), (parents, TWO_IN_ONE));
            assert_eq!(total(found.iter().map(|found| found.executions.len())), children_of(parents));
        }
    }

    async fn the_trades_of_any_number_of_sessions_are_two_statements_in_one_round_trip(db: &Database) {
        for (_, parents) in sized() {
            let ids = ids(parents as i64);
            let (found, cost) =
                load(db, async |s| Trades::new(s).get_many_by_session_with_executions(&ids).await).await;
            assert_eq!((found.len(), cost), (trades_of_sessions(parents), TWO_IN_ONE));
        }
    }

    async fn the_trades_of_any_number_of_portfolios_are_two_statements_in_one_round_trip(db: &Database) {
        for (_, parents) in sized() {
            let ids = ids(parents as i64);
            let (found, cost) = load(db, async |s| {
                Trades::new(s).get_many_by_portfolio_with_executions(&ids, PARENTS as u32).await
            })
            .await;
            assert_eq!((found.len(), cost), (children_of(parents), TWO_IN_ONE));
        }
    }

    async fn an_eager_load_costs_the_same_inside_a_write_transaction(db: &Database) {
        let mut session = db.begin().await.unwrap();
        let ids = ids(PARENTS);
        Portfolios::new(&mut session).get_many_with_all_relations(&ids).await.unwrap();
        // BEGIN travels with the first statement.
        let Counts { statements, round_trips, .. } = session.counts();
        assert_eq!(Cost { statements, round_trips }, FOUR_IN_ONE);
    }
}
