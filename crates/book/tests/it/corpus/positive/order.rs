//! Loops over the rows in any order, over some of them, and from several lines.

use std::collections::{BTreeSet, HashMap};

use tallybook::book::{Executions, Portfolios, Trade, TradeId, TradeStatus, Trades};
use tallybook::{Database, ReadSession};
use tallybook::{Statement, all, params};

use crate::corpus::cases::cases;
use crate::corpus::label::{Label, confirmed};
use crate::corpus::ledger::ALL;

const LOADER: &str = "Trades::get_many_with_executions(&ids)";

async fn trades(session: &mut ReadSession) -> Vec<Trade> {
    Trades::new(session).get_many(ALL).await.unwrap() // trades
}

async fn executions(session: &mut ReadSession, trade: TradeId) -> usize {
    Executions::new(session).get_by_trade(trade).await.unwrap().len() // executions
}

fn loop_of(runs: u64) -> Label {
    confirmed("executions", "trades").runs(runs).advice(LOADER)
}

cases! { in_a_scope:
    async fn from_behind(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        for trade in trades(&mut session).await.iter().rev() {
            executions(&mut session, trade.id).await;
        }
        loop_of(24)
    }

    async fn shuffled(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        let trades = trades(&mut session).await;
        for place in 0..trades.len() {
            executions(&mut session, trades[place * 7 % trades.len()].id).await;
        }
        loop_of(24)
    }

    async fn every_second(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        for trade in trades(&mut session).await.iter().filter(|trade| trade.id.get() % 2 == 0) {
            executions(&mut session, trade.id).await;
        }
        loop_of(12)
    }

    async fn in_the_order_of_a_map(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        let trades = trades(&mut session).await;
        let by_id: HashMap<TradeId, Trade> = trades.into_iter().map(|trade| (trade.id, trade)).collect();
        for id in by_id.keys() {
            executions(&mut session, *id).await;
        }
        loop_of(24)
    }

    async fn each_parent_once(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        let ids: BTreeSet<_> = trades(&mut session).await.iter().map(|trade| trade.portfolio_id).collect();
        for id in ids {
            Portfolios::new(&mut session).get(id).await.unwrap(); // parent
        }
        confirmed("parent", "trades").runs(8).advice("Portfolios::get_by_ids(&ids)")
    }

    async fn until_five_are_found(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        let mut found = 0;
        for trade in trades(&mut session).await {
            found += usize::from(executions(&mut session, trade.id).await > 0);
            if found == 5 {
                break;
            }
        }
        loop_of(5)
    }

    async fn at_another_line_for_each_kind(db: &Database) -> [Label; 2] {
        let mut session = db.read().await.unwrap();
        for trade in trades(&mut session).await {
            match trade.status {
                TradeStatus::Filled => {
                    Executions::new(&mut session).get_by_trade(trade.id).await.unwrap(); // of the filled
                }
                _ => {
                    Executions::new(&mut session).get_by_trade(trade.id).await.unwrap(); // of the others
                }
            }
        }
        let found = |at, runs| confirmed(at, "trades").runs(runs).advice(LOADER);
        [found("of the filled", 8), found("of the others", 16)]
    }

    async fn with_a_second_attempt_for_each(db: &Database) -> Label {
        // The database refuses a second parameter that is not JSON.
        let by_trade = Statement::per_dialect(
            "SELECT id FROM executions WHERE trade_id = $1 AND $2::text::json IS NOT NULL",
            "SELECT id FROM executions WHERE trade_id = $1 AND json($2) IS NOT NULL",
        );
        let mut session = db.read().await.unwrap();
        for trade in trades(&mut session).await.iter().take(10) {
            for attempt in ["{", "{}"] {
                let query = all::<(i64,)>(&by_trade, params![trade.id, attempt]); // attempt
                if session.run(query).await.is_ok() {
                    break;
                }
            }
        }
        confirmed("attempt", "trades").runs(20).distinct(10)
    }

    async fn again_while_it_is_not_there(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        for trade in trades(&mut session).await {
            let mut attempts = 0;
            while executions(&mut session, trade.id).await == 0 || attempts == 0 {
                attempts += 1;
            }
        }
        confirmed("executions", "trades").runs(48).distinct(24).advice(LOADER)
    }
}
