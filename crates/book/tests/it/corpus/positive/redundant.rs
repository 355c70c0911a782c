//! Repeated identical reads.

use tallybook::Database;
use tallybook::book::{PortfolioId, Portfolios, TradeStatus, Trades};
use tallybook::{all, one, params};

use crate::corpus::cases::cases;
use crate::corpus::label::{Label, redundant};
use crate::corpus::ledger::ALL;
use crate::support::write;

const PREFERENCE: &str = "SELECT value FROM preferences WHERE name = $1";

async fn currency(db: &Database) -> String {
    let mut session = db.read().await.unwrap();
    session.run(one::<(String,)>(PREFERENCE, params!["currency"])).await.unwrap().0 // preference
}

cases! { in_a_scope:
    async fn a_preference_for_each_row(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        for _trade in Trades::new(&mut session).get_many(ALL).await.unwrap() {
            session.run(one::<(String,)>(PREFERENCE, params!["currency"])).await.unwrap(); // currency
        }
        redundant("currency").runs(24)
    }

    async fn a_preference_through_a_helper_with_a_session_of_its_own(db: &Database) -> Label {
        for _ in 0..12 {
            assert_eq!(currency(db).await, "EUR");
        }
        redundant("preference").runs(12)
    }

    async fn the_one_portfolio_for_each_of_its_rows(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        for _ in 0..10 {
            Portfolios::new(&mut session).get(PortfolioId::new(1)).await.unwrap(); // portfolio
        }
        redundant("portfolio").runs(10)
    }

    async fn the_one_parent_of_the_children_of_a_list(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        let held = all::<(i64,)>("SELECT portfolio_id FROM holdings WHERE portfolio_id = 2", params![]);
        for (portfolio,) in session.run(held).await.unwrap() {
            Portfolios::new(&mut session).get(portfolio.into()).await.unwrap(); // parent
        }
        redundant("parent").runs(6)
    }

    async fn the_same_list_again(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        for _ in 0..10 {
            Trades::new(&mut session).get_by_status(&TradeStatus::Filled, ALL).await.unwrap(); // list
        }
        redundant("list").runs(10)
    }

    async fn the_same_eager_load_again(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        for _ in 0..10 {
            Portfolios::new(&mut session).get_with_trades(PortfolioId::new(1)).await.unwrap(); // load
        }
        redundant("load").runs(10)
    }

    async fn the_same_in_a_transaction_that_has_not_written(db: &Database) -> Label {
        write(db, async |session| {
            for _ in 0..10 {
                session.run(one::<(String,)>(PREFERENCE, params!["currency"])).await?; // currency
            }
            Ok(())
        })
        .await;
        redundant("currency").runs(10)
    }
}
