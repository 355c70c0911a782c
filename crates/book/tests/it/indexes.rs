//! Which index each query uses, by the planner's own account.

use tallybook::engine::{Engine, Explainer, Plan};
use tallybook::{
    Cursor, Database, Execution, Page, Portfolio, PortfolioId, Position, Positions, Repository, Result,
    Session, SessionId, Table, Trade, TradeStatus, Trades, TradingSession, Window,
};

use crate::crowd::CROWD;
use crate::market::{LARGEST, MARKET, symbol};
use crate::original::on_copies;
use crate::support::rows;

type Explained<'s> = Explainer<'s, tallybook::ReadSession>;

/// The plan of what `query` runs.
async fn plan<T>(db: &Database, query: impl AsyncFnOnce(&mut Explained<'_>) -> Result<T>) -> Plan {
    let mut session = db.read().await.unwrap();
    let mut explainer = Explainer::new(&mut session);
    query(&mut explainer).await.unwrap();
    explainer.plan().clone()
}

#[track_caller]
fn assert_uses(plan: &Plan, index: &str) {
    assert!(plan.uses(index), "{index} is not among {:?}:\n{}", plan.indexes, plan.text);
}

on_copies! { of MARKET:
    async fn the_trades_of_a_session_are_found_by_the_index_on_it(db: &Database) {
        let plan = plan(db, async |s| Trades::new(s).get_by_session(SessionId(200)).await).await;
        assert_uses(&plan, "ix_trades_session_id");
    }

    async fn trades_with_executions_by_session_are_found_by_the_index_on_it(db: &Database) {
        let by_session = async |s: &mut Explained<'_>| {
            Trades::new(s).get_by_session_with_executions(SessionId(200)).await
        };
        let plan = plan(db, by_session).await;
        // Once for the trades, once for their executions.
        let uses = plan.indexes.iter().filter(|index| *index == "ix_trades_session_id").count();
        assert_eq!(uses, 2, "{}", plan.text);
    }

    async fn a_position_is_found_by_the_index_on_portfolio_and_symbol(db: &Database) {
        let plan = plan(db, async |s| Positions::new(s).get_by_symbol(LARGEST, &symbol(7)).await).await;
        assert_uses(&plan, "ix_positions_portfolio_symbol");
    }

    async fn trades_of_a_rare_status_are_found_by_the_index_on_portfolio_and_status(db: &Database) {
        let rejected = async |s: &mut Explained<'_>| {
            Trades::new(s)
                .get_by_portfolio_and_status(LARGEST, &TradeStatus::Rejected, Window::first(20))
                .await
        };
        assert_uses(&plan(db, rejected).await, "ix_trades_portfolio_status");
    }

    async fn the_newest_trades_of_a_portfolio_are_found_by_the_index_on_portfolio_and_time(db: &Database) {
        let newest =
            async |s: &mut Explained<'_>| Trades::new(s).get_by_portfolio(LARGEST, Window::first(20)).await;
        assert_uses(&plan(db, newest).await, "ix_trades_portfolio_created");
    }
}
