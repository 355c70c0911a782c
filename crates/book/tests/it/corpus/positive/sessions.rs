//! Loops in one session without a scope.

use tallybook::Database;
use tallybook::book::{Executions, Trades};
use tallybook::{all, execute, one, params};

use crate::corpus::cases::cases;
use crate::corpus::label::{Label, confirmed, redundant};
use crate::corpus::ledger::ALL;
use crate::support::write;

const BY_TRADE: &str = "SELECT id FROM executions WHERE trade_id = $1";

cases! { in_no_scope:
    async fn through_one_read_session(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        let trades = Trades::new(&mut session).get_many(ALL).await.unwrap(); // trades
        for trade in trades {
            Executions::new(&mut session).get_by_trade(trade.id).await.unwrap(); // executions
        }
        let advice = "Trades::get_many_with_executions(&ids)";
        confirmed("executions", "trades").runs(24).advice(advice)
    }

    async fn through_a_snapshot(db: &Database) -> Label {
        let mut session = db.snapshot().await.unwrap();
        let trades = session.run(all::<(i64,)>("SELECT id FROM trades", params![])).await.unwrap(); // trades
        for (trade,) in trades {
            session.run(all::<(i64,)>(BY_TRADE, params![trade])).await.unwrap(); // executions
        }
        confirmed("executions", "trades").runs(24)
    }

    async fn through_a_transaction_that_is_committed_by_hand(db: &Database) -> Label {
        let mut session = db.begin().await.unwrap();
        let trades = session.run(all::<(i64,)>("SELECT id FROM trades", params![])).await.unwrap(); // trades
        for (trade,) in trades {
            session.run(all::<(i64,)>(BY_TRADE, params![trade])).await.unwrap(); // executions
        }
        session.commit().await.unwrap();
        confirmed("executions", "trades").runs(24)
    }

    async fn through_a_transaction_that_is_undone(db: &Database) -> Label {
        const DELETE: &str = "DELETE FROM executions WHERE trade_id = $1";
        let mut session = db.begin().await.unwrap();
        let trades = session.run(all::<(i64,)>("SELECT id FROM trades", params![])).await.unwrap(); // trades
        for (trade,) in trades {
            session.run(execute(DELETE, params![trade])).await.unwrap(); // delete
        }
        drop(session);
        confirmed("delete", "trades").runs(24)
    }

    async fn a_count_for_each_through_a_write_closure(db: &Database) -> Label {
        const COUNT: &str = "SELECT count(*) FROM trades WHERE portfolio_id = $1";
        write(db, async |session| {
            let portfolios = all::<(i64,)>("SELECT id FROM portfolios", params![]); // portfolios
            for (portfolio,) in session.run(portfolios).await? {
                session.run(one::<(i64,)>(COUNT, params![portfolio])).await?; // count
            }
            Ok(())
        })
        .await;
        confirmed("count", "portfolios").runs(8)
    }

    async fn the_same_again_through_one_session(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        for _ in 0..10 {
            Trades::new(&mut session).get_many(ALL).await.unwrap(); // again
        }
        redundant("again").runs(10)
    }
}
