//! Writes that follow reads.

use tallybook::Database;
use tallybook::book::{
    Executions, NewExecution, NewPortfolio, Portfolios, TradeChanges, TradeId, TradeStatus, Trades,
};
use tallybook::{execute, params};

use crate::corpus::cases::cases;
use crate::corpus::ledger::ALL;
use crate::support::write;

cases! { in_a_scope:
    // A batch would save round trips here too. But storing a value in a column does not prove where it comes from.
    async fn a_child_created_for_each_parent(db: &Database) {
        write(db, async |session| {
            for trade in Trades::new(session).get_many(ALL).await? {
                let fill = NewExecution::new(trade.id, trade.symbol, 1.into(), 10.into());
                Executions::new(session).create(&fill).await?;
            }
            Ok(())
        })
        .await;
    }

    async fn a_log_line_for_each_row(db: &Database) {
        const LOG: &str = "INSERT INTO events VALUES ($1, $2, 1)";
        write(db, async |session| {
            for trade in Trades::new(session).get_many(ALL).await? {
                session.run(execute(LOG, params![1_000 + trade.id.get(), trade.id])).await?;
            }
            Ok(())
        })
        .await;
    }

    async fn a_check_before_each_of_several_new_rows(db: &Database) {
        write(db, async |session| {
            for name in ["growth", "income", "value", "pension", "portfolio 1"] {
                let mut portfolios = Portfolios::new(session);
                if portfolios.get_by_name(name).await?.is_none() {
                    portfolios.create(&NewPortfolio::new(name)).await?;
                }
            }
            Ok(())
        })
        .await;
    }

    async fn a_read_and_an_update_of_each_row_that_a_user_named(db: &Database) {
        for id in [2, 3, 5, 7, 11] {
            write(db, async |session| {
                let trade = Trades::new(session).get(TradeId::new(id)).await?.expect("it is there");
                let changes = TradeChanges::new().status(TradeStatus::Rejected);
                Trades::new(session).update(trade.id, changes).await
            })
            .await;
        }
    }

    async fn a_read_of_each_row_that_was_just_created(db: &Database) {
        write(db, async |session| {
            for name in ["growth", "income", "value", "pension", "house"] {
                let created = Portfolios::new(session).create(&NewPortfolio::new(name)).await?;
                assert_eq!(Portfolios::new(session).get(created.id).await?, Some(created));
            }
            Ok(())
        })
        .await;
    }

    async fn one_statement_for_all_rows_of_a_condition(db: &Database) {
        const CLOSE: &str = "UPDATE trades SET status = 'CANCELLED' WHERE status = $1";
        write(db, async |session| {
            Trades::new(session).get_many(ALL).await?;
            session.run(execute(CLOSE, params!["PENDING"])).await?;
            Ok(())
        })
        .await;
    }
}
