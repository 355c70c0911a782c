//! Reads that are repeated for a reason.

use std::time::Duration;

use tallybook::Database;
use tallybook::book::{PortfolioChanges, PortfolioId, Portfolios, Trades, upgrade};
use tallybook::{Statement, all, execute, one, params};
use tokio::time::sleep;

use crate::corpus::cases::cases;
use crate::corpus::ledger::ALL;
use crate::support::write;

/// Longer than the time between two reads of one look.
const PAUSE: Duration = Duration::from_millis(40);

const STATUS: &str = "SELECT status FROM jobs WHERE id = $1";

async fn status(db: &Database) -> String {
    let mut session = db.read().await.unwrap();
    session.run(one::<(String,)>(STATUS, params![1])).await.unwrap().0
}

cases! { in_a_scope:
    async fn until_a_job_is_done_that_another_does(db: &Database) {
        let worker = tokio::spawn({
            let db = db.clone();
            async move {
                sleep(PAUSE * 5).await;
                let done = execute("UPDATE jobs SET status = 'done' WHERE id = 1", params![]);
                write(&db, async |session| Ok(session.run(done).await?)).await;
            }
        });
        while status(db).await != "done" {
            sleep(PAUSE).await;
        }
        worker.await.unwrap();
    }

    async fn through_one_session_with_pauses(db: &Database) {
        let mut session = db.read().await.unwrap();
        for _ in 0..5 {
            session.run(one::<(String,)>(STATUS, params![1])).await.unwrap();
            sleep(PAUSE).await;
        }
    }

    async fn in_each_attempt_of_a_transaction(db: &Database) {
        for attempt in 1..=5 {
            let transaction = db.write(async |session| {
                let mut portfolios = Portfolios::new(session);
                let portfolio = portfolios.get(PortfolioId::new(1)).await?.expect("it is there");
                let name = if attempt < 5 { "portfolio 2" } else { "portfolio 9" };
                portfolios.update(portfolio.id, PortfolioChanges::new().name(name)).await
            });
            assert_eq!(transaction.await.is_ok(), attempt == 5, "the name is taken until the fifth attempt");
        }
    }

    async fn in_each_attempt_of_a_transaction_that_gives_up_by_itself(db: &Database) {
        for _ in 0..5 {
            let mut session = db.begin().await.unwrap();
            Portfolios::new(&mut session).get(PortfolioId::new(1)).await.unwrap();
            drop(session);
        }
    }

    async fn after_each_failure(db: &Database) {
        let broken = Statement::per_dialect("SELECT '{'::json::text", "SELECT json('{')");
        let mut session = db.read().await.unwrap();
        for _ in 0..5 {
            session.run(one::<(String,)>(STATUS, params![1])).await.unwrap();
            session.run(all::<(String,)>(&broken, params![])).await.unwrap_err();
        }
    }

    async fn until_it_does_not_fail_any_more(db: &Database) {
        // The database refuses a parameter that is not JSON.
        let strict = Statement::per_dialect(
            "SELECT status FROM jobs WHERE id = $1 AND $2::text::json IS NOT NULL",
            "SELECT status FROM jobs WHERE id = $1 AND json($2) IS NOT NULL",
        );
        let mut session = db.read().await.unwrap();
        for attempt in ["{", "{", "{", "{", "{}"] {
            let found = session.run(all::<(String,)>(&strict, params![1, attempt])).await;
            assert_eq!(found.is_ok(), attempt == "{}");
        }
    }

    async fn after_each_write(db: &Database) {
        const COUNT: &str = "UPDATE jobs SET attempts = attempts + 1 WHERE id = 1";
        write(db, async |session| {
            for _ in 0..5 {
                session.run(execute(COUNT, params![])).await?;
                session.run(one::<(i64,)>("SELECT attempts FROM jobs WHERE id = 1", params![])).await?;
            }
            Ok(())
        })
        .await;
    }

    async fn between_transactions_that_change_it(db: &Database) {
        for number in 0..5 {
            write(db, async |session| {
                let portfolio = Portfolios::new(session).get(PortfolioId::new(1)).await?.expect("it is there");
                let changes = PortfolioChanges::new().description(Some(format!("change {number}")));
                Portfolios::new(session).update(portfolio.id, changes).await
            })
            .await;
        }
    }

    async fn the_list_after_each_change_of_a_row(db: &Database) {
        for name in ["growth", "income", "value", "pension"] {
            write(db, async |session| {
                Portfolios::new(session).create(&tallybook::book::NewPortfolio::new(name)).await
            })
            .await;
            let mut session = db.read().await.unwrap();
            Portfolios::new(&mut session).get_many(ALL).await.unwrap();
        }
    }

    async fn whether_the_database_is_there(db: &Database) {
        for _ in 0..10 {
            db.read().await.unwrap().run(one::<(i64,)>("SELECT 1", params![])).await.unwrap();
        }
    }

    async fn migrations_at_each_start(db: &Database) {
        for _ in 0..4 {
            upgrade(db).await.unwrap();
        }
    }

    async fn each_table_once_to_warm_up_a_cache(db: &Database) {
        let mut session = db.read().await.unwrap();
        for table in ["preferences", "instruments", "quotes", "holdings", "lots", "jobs", "notes"] {
            let count = format!("SELECT count(*) FROM {table}");
            session.run(one::<(i64,)>(count, params![])).await.unwrap();
        }
        Trades::new(&mut session).get_many(ALL).await.unwrap();
        Portfolios::new(&mut session).get_many(ALL).await.unwrap();
    }
}
