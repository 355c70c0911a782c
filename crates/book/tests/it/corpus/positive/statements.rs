//! Writes for each row, and reads with conditions in addition to the key.

use tallybook::Database;
use tallybook::book::{Executions, TradeChanges, TradeStatus, Trades};
use tallybook::{all, execute, one, params};

use crate::corpus::cases::cases;
use crate::corpus::label::{Label, confirmed};
use crate::corpus::ledger::{ALL, EXECUTIONS};
use crate::support::{time, write};

cases! { in_a_scope:
    async fn an_update_for_each_row(db: &Database) -> Label {
        write(db, async |session| {
            let trades = Trades::new(session).get_many(ALL).await?; // trades
            for trade in trades {
                let changes = TradeChanges::new().status(TradeStatus::Cancelled);
                Trades::new(session).update(trade.id, changes).await?; // cancel
            }
            Ok(())
        })
        .await;
        confirmed("cancel", "trades").runs(24)
    }

    async fn an_update_for_each_row_in_a_transaction_of_its_own(db: &Database) -> Label {
        const CLAIM: &str = "UPDATE jobs SET status = 'running' WHERE id = $1";
        let mut session = db.read().await.unwrap();
        let jobs = session.run(all::<(i64,)>("SELECT id FROM jobs", params![])).await.unwrap(); // jobs
        for (job,) in jobs {
            write(db, async |session| Ok(session.run(execute(CLAIM, params![job])).await?)).await; // claim
        }
        confirmed("claim", "jobs").runs(3)
    }

    async fn a_delete_for_each_row(db: &Database) -> Label {
        write(db, async |session| {
            let executions = Executions::new(session).get_many(ALL).await?; // executions
            for execution in executions {
                Executions::new(session).repair().delete(execution.id).await?; // delete
            }
            Ok(())
        })
        .await;
        confirmed("delete", "executions").runs(EXECUTIONS as u64)
    }

    async fn a_sum_for_each_row_that_is_then_stored(db: &Database) -> Label {
        const SUM: &str = "SELECT count(*) FROM executions WHERE trade_id = $1";
        const PUT: &str = "INSERT INTO preferences VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        write(db, async |session| {
            let trades = session.run(all::<(i64,)>("SELECT id FROM trades", params![])).await?; // trades
            for (trade,) in trades {
                let (sum,) = session.run(one::<(i64,)>(SUM, params![trade])).await?; // sum
                let total = params![format!("total of {trade}"), sum.to_string()];
                session.run(execute(PUT, total)).await?;
            }
            Ok(())
        })
        .await;
        // INSERTs are not reported; the sums are.
        confirmed("sum", "trades").runs(24)
    }

    async fn constants_beside_the_key(db: &Database) -> Label {
        const FILLS: &str = "SELECT id FROM executions WHERE symbol <> $1 AND trade_id = $2 AND price > $3";
        let mut session = db.read().await.unwrap();
        let trades = Trades::new(&mut session).get_many(ALL).await.unwrap(); // trades
        for trade in trades {
            session.run(all::<(i64,)>(FILLS, params!["FX", trade.id, 5])).await.unwrap(); // fills
        }
        confirmed("fills", "trades").runs(24)
    }

    async fn a_time_of_the_row_beside_its_key(db: &Database) -> Label {
        const LATER: &str = "SELECT count(*) FROM executions WHERE trade_id = $1 AND executed_at > $2";
        let mut session = db.read().await.unwrap();
        let trades = Trades::new(&mut session).get_many(ALL).await.unwrap(); // trades
        for trade in trades {
            session.run(one::<(i64,)>(LATER, params![trade.id, trade.created_at])).await.unwrap(); // later
        }
        confirmed("later", "trades").runs(24)
    }

    async fn an_existence_check_for_each_row(db: &Database) -> Label {
        const EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM positions WHERE portfolio_id = $1)";
        let mut session = db.read().await.unwrap();
        let portfolios = all::<(i64,)>("SELECT id FROM portfolios", params![]); // portfolios
        for (portfolio,) in session.run(portfolios).await.unwrap() {
            session.run(one::<(bool,)>(EXISTS, params![portfolio])).await.unwrap(); // exists
        }
        confirmed("exists", "portfolios").runs(8)
    }

    async fn a_report_of_each_portfolio_since_a_day(db: &Database) -> Label {
        const VOLUME: &str = "SELECT count(*) FROM trades WHERE created_at >= $1 AND portfolio_id = $2";
        let mut session = db.read().await.unwrap();
        let portfolios = all::<(i64,)>("SELECT id FROM portfolios", params![]); // portfolios
        for (portfolio,) in session.run(portfolios).await.unwrap() {
            session.run(one::<(i64,)>(VOLUME, params![time(0), portfolio])).await.unwrap(); // volume
        }
        confirmed("volume", "portfolios").runs(8)
    }

    async fn two_statements_in_one_round_trip_for_each_row(db: &Database) -> Label {
        const FILLS: &str = "SELECT id FROM executions WHERE trade_id = $1";
        const EVENTS: &str = "SELECT id FROM events WHERE trade_id = $1";
        let mut session = db.read().await.unwrap();
        let trades = session.run(all::<(i64,)>("SELECT id FROM trades", params![])).await.unwrap(); // trades
        for (trade,) in trades {
            let both = (all::<(i64,)>(FILLS, params![trade]), all::<(i64,)>(EVENTS, params![trade])); // both
            session.run(both).await.unwrap();
        }
        confirmed("both", "trades").runs(24)
    }
}
