//! Loops whose reads run concurrently, each in a session of its own.

use tallybook::Database;
use tallybook::book::{Executions, Trade, TradeId, Trades};
use tallybook::{Scope, all, params};
use tokio::task::JoinSet;

use crate::corpus::cases::cases;
use crate::corpus::concurrently::concurrently;
use crate::corpus::label::{Label, confirmed};
use crate::corpus::ledger::ALL;

const LOADER: &str = "Trades::get_many_with_executions(&ids)";

async fn trades(db: &Database) -> Vec<Trade> {
    let mut session = db.read().await.unwrap();
    Trades::new(&mut session).get_many(ALL).await.unwrap() // trades
}

async fn executions(db: &Database, trade: TradeId) -> usize {
    let mut session = db.read().await.unwrap();
    Executions::new(&mut session).get_by_trade(trade).await.unwrap().len() // executions
}

fn found() -> Label {
    confirmed("executions", "trades").runs(24).advice(LOADER)
}

cases! { in_a_scope:
    async fn a_session_for_each_read(db: &Database) -> Label {
        for trade in trades(db).await {
            executions(db, trade.id).await;
        }
        found()
    }

    async fn all_joined(db: &Database) -> Label {
        let trades = trades(db).await;
        concurrently(trades.len(), trades.iter().map(|trade| executions(db, trade.id))).await;
        found()
    }

    async fn at_most_four_at_once(db: &Database) -> Label {
        let trades = trades(db).await;
        concurrently(4, trades.iter().map(|trade| executions(db, trade.id))).await;
        found()
    }

    async fn a_task_for_each_that_takes_the_scope_along(db: &Database) -> Label {
        let mut tasks = Vec::new();
        for trade in trades(db).await {
            let (scope, db) = (Scope::current().unwrap(), db.clone());
            tasks.push(tokio::spawn(async move { scope.run(executions(&db, trade.id)).await }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        found()
    }

    async fn a_set_of_tasks_that_take_the_scope_along(db: &Database) -> Label {
        let mut tasks = JoinSet::new();
        for trade in trades(db).await {
            let (scope, db) = (Scope::current().unwrap(), db.clone());
            tasks.spawn(async move { scope.run(executions(&db, trade.id)).await });
        }
        tasks.join_all().await;
        found()
    }

    async fn two_reads_joined_for_each(db: &Database) -> [Label; 2] {
        const EVENTS: &str = "SELECT id FROM events WHERE trade_id = $1";
        for trade in trades(db).await {
            let events = async {
                let mut session = db.read().await.unwrap();
                session.run(all::<(i64,)>(EVENTS, params![trade.id])).await.unwrap(); // events
            };
            tokio::join!(executions(db, trade.id), events);
        }
        [found(), confirmed("events", "trades").runs(24)]
    }
}
