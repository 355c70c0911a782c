//! Identifiers: given by the database, also behind rows that were loaded with theirs.

use tallybook::{Database, NewPortfolio, Portfolio, PortfolioId, Portfolios, WriteSession};
use tallybook_testkit::postgres;

use crate::original::{EMPTY, on_copies};
use crate::support::{book, time, write};

/// Bulk loads a portfolio that has its identifier.
async fn load(session: &mut WriteSession, id: i64) {
    let NewPortfolio { currency, initial_capital, .. } = NewPortfolio::new("");
    let portfolio = Portfolio {
        id: id.into(),
        name: format!("loaded {id}"),
        description: None,
        initial_capital,
        current_capital: initial_capital,
        currency,
        created_at: time(0),
        updated_at: time(0),
        metadata_json: None,
    };
    let mut portfolios = Portfolios::new(session);
    let mut load = portfolios.load(None).await.unwrap();
    load.write(&portfolio).await.unwrap();
    load.finish().await.unwrap();
    portfolios.align_ids().await.unwrap();
}

async fn create(session: &mut WriteSession, name: &str) -> PortfolioId {
    Portfolios::new(session).create(&NewPortfolio::new(name)).await.unwrap().id
}

on_copies! { of EMPTY:
    async fn new_rows_come_behind_those_that_were_loaded(db: &Database) {
        let created = write(db, async |session| {
            load(session, 1_000).await;
            Ok(create(session, "next").await)
        })
        .await;
        assert_eq!(created, PortfolioId(1_001));
    }

    async fn a_load_of_lower_identifiers_takes_none_back(db: &Database) {
        let created = write(db, async |session| {
            load(session, 1_000).await;
            load(session, 10).await;
            Ok(create(session, "next").await)
        })
        .await;
        assert_eq!(created, PortfolioId(1_001));
    }

    async fn an_empty_table_begins_with_one(db: &Database) {
        let created = write(db, async |session| {
            Portfolios::new(session).align_ids().await?;
            Ok(create(session, "first").await)
        })
        .await;
        assert_eq!(created, PortfolioId(1));
    }
}

/// SQLite has one writer at a time, so there are no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_on_postgres_spares_identifiers_that_others_have_taken_and_not_committed() {
    let database = postgres().await.database("a_load_on_postgres_spares_identifiers").await;
    let db = book(database.url()).await;
    let mut other = db.begin().await.unwrap();
    let taken = create(&mut other, "not committed").await;
    write(&db, async |session| Portfolios::new(session).align_ids().await).await;
    other.commit().await.unwrap();
    let created = write(&db, async |session| Ok(create(session, "next").await)).await;
    assert!(created > taken);
}
