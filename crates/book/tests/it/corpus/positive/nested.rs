//! Loops in loops.

use tallybook::Database;
use tallybook::book::{Executions, Portfolios, Trades};
use tallybook::{all, one, optional, params};

use crate::corpus::cases::cases;
use crate::corpus::label::{Label, confirmed};
use crate::corpus::ledger::ALL;

const EXECUTIONS: &str = "Trades::get_many_with_executions(&ids)";

cases! { in_a_scope:
    async fn the_executions_of_each_trade_of_each_portfolio(db: &Database) -> [Label; 2] {
        let mut session = db.read().await.unwrap();
        let portfolios = Portfolios::new(&mut session).get_many(ALL).await.unwrap(); // portfolios
        for portfolio in portfolios {
            let trades = Trades::new(&mut session).get_by_portfolio(portfolio.id, ALL).await; // trades
            for trade in trades.unwrap() {
                Executions::new(&mut session).get_by_trade(trade.id).await.unwrap(); // executions
            }
        }
        let advice = "Trades::get_many_by_portfolio_with_executions(&portfolios, limit)";
        [
            confirmed("trades", "portfolios").runs(8).advice(advice),
            confirmed("executions", "trades").runs(24).advice(EXECUTIONS),
        ]
    }

    async fn the_executions_of_the_newest_trade_of_each_portfolio(db: &Database) -> [Label; 2] {
        const NEWEST: &str = "SELECT id FROM trades WHERE portfolio_id = $1 ORDER BY created_at DESC LIMIT 1";
        let mut session = db.read().await.unwrap();
        let portfolios = Portfolios::new(&mut session).get_many(ALL).await.unwrap(); // portfolios
        for portfolio in portfolios {
            let newest = optional::<(i64,)>(NEWEST, params![portfolio.id]); // newest
            let (trade,) = session.run(newest).await.unwrap().unwrap();
            Executions::new(&mut session).get_by_trade(trade.into()).await.unwrap(); // executions
        }
        [
            confirmed("newest", "portfolios").runs(8),
            confirmed("executions", "newest").runs(8).advice(EXECUTIONS),
        ]
    }

    async fn four_levels_of_own_statements(db: &Database) -> [Label; 3] {
        const SESSIONS: &str = "SELECT id FROM trading_sessions WHERE portfolio_id = $1";
        const TRADES: &str = "SELECT id FROM trades WHERE session_id = $1";
        const EVENTS: &str = "SELECT id FROM events WHERE trade_id = $1";
        let mut session = db.read().await.unwrap();
        let portfolios = all::<(i64,)>("SELECT id FROM portfolios", params![]); // portfolios
        for portfolio in session.run(portfolios).await.unwrap() {
            let sessions = all::<(i64,)>(SESSIONS, params![portfolio.0]); // sessions
            for trading_session in session.run(sessions).await.unwrap() {
                let trades = all::<(i64,)>(TRADES, params![trading_session.0]); // trades
                for trade in session.run(trades).await.unwrap() {
                    session.run(all::<(i64,)>(EVENTS, params![trade.0])).await.unwrap(); // events
                }
            }
        }
        [
            confirmed("sessions", "portfolios").runs(8),
            confirmed("trades", "sessions").runs(16),
            confirmed("events", "trades").runs(24),
        ]
    }

    async fn a_level_without_statements_of_its_own_between(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        let trades = Trades::new(&mut session).get_many(ALL).await.unwrap(); // trades
        for some in trades.chunk_by(|one, other| one.symbol == other.symbol) {
            for trade in some {
                Executions::new(&mut session).get_by_trade(trade.id).await.unwrap(); // executions
            }
        }
        confirmed("executions", "trades").runs(24).advice(EXECUTIONS)
    }

    async fn over_single_rows_that_one_batch_read(db: &Database) -> Label {
        const TRADE: &str = "SELECT id FROM trades WHERE id = $1";
        const COUNT: &str = "SELECT count(*) FROM executions WHERE trade_id = $1";
        let mut session = db.read().await.unwrap();
        let chosen = [3, 5, 8, 13].map(|id| optional::<(i64,)>(TRADE, params![id])); // batch
        for (trade,) in session.run(Vec::from(chosen)).await.unwrap().into_iter().flatten() {
            session.run(one::<(i64,)>(COUNT, params![trade])).await.unwrap(); // count
        }
        confirmed("count", "batch").runs(4)
    }
}
