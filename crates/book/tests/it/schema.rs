//! Up, down and up again: the same schema, and all rows that have a table throughout.

use tallybook::Database;
use tallybook::Statement;
use tallybook::book::{
    Execution, Inspection, LimitOffset, Portfolio, Position, Repository, Table, Trade, TradingSession,
    inspect, migrator, upgrade,
};
use tallybook::migrate::Target;
use tallybook_testkit::both_dialects;

use crate::catalog::catalog;
use crate::sample::{Sample, parents};
use crate::support::{book, for_each_table, open, rows, sql, time, write};

async fn schema(db: &Database) -> Vec<String> {
    catalog(&mut db.read().await.unwrap()).await
}

async fn create<T: Sample>(db: &Database) {
    write(db, async |session| {
        let new = [T::full(1, time(100)), T::bare(2), T::full(3, time(300))];
        Repository::<_, T>::new(session).create_many(&new).await
    })
    .await;
}

/// Fills a book with rows in every table, some of them with all fields set.
async fn fill(db: &Database) {
    parents(db).await;
    for_each_table!(create(db));
}

async fn all<T: Table<Key = i64>>(db: &Database) -> Vec<T> {
    let mut session = db.read().await.unwrap();
    Repository::new(&mut session).get_many(LimitOffset::first(1_000)).await.unwrap()
}

#[derive(Debug, PartialEq)]
struct Everything {
    portfolios: Vec<Portfolio>,
    positions: Vec<Position>,
    trades: Vec<Trade>,
    executions: Vec<Execution>,
    sessions: Vec<TradingSession>,
}

async fn everything(db: &Database) -> Everything {
    Everything {
        portfolios: all(db).await,
        positions: all(db).await,
        trades: all(db).await,
        executions: all(db).await,
        sessions: all(db).await,
    }
}

/// Counts rows with dangling references. PostgreSQL has none once a key is valid, which the catalog says.
const BROKEN: Statement = Statement::per_dialect(
    "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated",
    "SELECT count(*) FROM pragma_foreign_key_check",
);

async fn assert_keys_hold(db: &Database) {
    assert_eq!(rows::<(i64,)>(&mut db.read().await.unwrap(), BROKEN).await, [(0,)]);
}

both_dialects! {
    async fn down_to_base_and_up_again_is_the_same_schema(url: &str) {
        let db = book(url).await;
        fill(&db).await;
        let before = schema(&db).await;

        let undone = migrator(&db).force(true).downgrade(&Target::Base).await.unwrap();
        assert_eq!(undone.iter().map(|change| change.id).collect::<Vec<_>>(), ["0002", "0001"]);
        assert_eq!(inspect(&db).await.unwrap(), Inspection::Nothing);
        assert_eq!(migrator(&db).current().await.unwrap(), None);

        assert_eq!(upgrade(&db).await.unwrap().len(), 2);
        assert_eq!(schema(&db).await, before);
        assert_eq!(all::<Portfolio>(&db).await, []);
        assert_keys_hold(&db).await;
    }

    async fn one_step_down_is_the_schema_as_it_was_and_up_again_as_it_is(url: &str) {
        let db = open(url).await;
        let first = Target::Revision("0001".to_owned());
        migrator(&db).upgrade(&first).await.unwrap();
        let as_it_was = schema(&db).await;
        migrator(&db).upgrade(&Target::Steps(1)).await.unwrap();
        let as_it_is = schema(&db).await;
        fill(&db).await;

        migrator(&db).force(true).downgrade(&Target::Steps(-1)).await.unwrap();
        assert_eq!(schema(&db).await, as_it_was);
        assert_keys_hold(&db).await;
        migrator(&db).upgrade(&Target::Head).await.unwrap();
        assert_eq!(schema(&db).await, as_it_is);
        assert_keys_hold(&db).await;
    }

    async fn one_step_down_and_up_again_costs_the_sessions_of_trades_and_nothing_else(url: &str) {
        let db = book(url).await;
        fill(&db).await;
        let before = everything(&db).await;
        assert!(before.trades.iter().any(|trade| trade.session_id.is_some()));

        migrator(&db).force(true).downgrade(&Target::Steps(-1)).await.unwrap();
        assert_eq!(migrator(&db).current().await.unwrap(), Some("0001"));
        migrator(&db).upgrade(&Target::Steps(1)).await.unwrap();

        let trades = before.trades.into_iter().map(|trade| Trade { session_id: None, ..trade }).collect();
        assert_eq!(everything(&db).await, Everything { trades, ..before });
    }

    async fn a_rollback_that_others_stand_in_the_way_of_leaves_all_rows(url: &str) {
        let db = book(url).await;
        fill(&db).await;
        let portfolios = all::<Portfolio>(&db).await;
        sql(&db, "CREATE TABLE fans (portfolio_id integer NOT NULL REFERENCES portfolios (id))").await;
        sql(&db, "INSERT INTO fans (portfolio_id) VALUES (1)").await;

        let error = migrator(&db).force(true).downgrade(&Target::Base).await.unwrap_err();
        assert!(error.is_revision(), "{error}");
        assert!(error.to_string().contains("drop portfolios"), "{error}");

        assert_eq!(migrator(&db).current().await.unwrap(), Some("0001"));
        migrator(&db).upgrade(&Target::Head).await.unwrap();
        assert_eq!(all::<Portfolio>(&db).await, portfolios);
        assert_eq!(rows::<(i64,)>(&mut db.read().await.unwrap(), "SELECT portfolio_id FROM fans").await, [(1,)]);
    }

    async fn of_eight_runners_at_once_one_applies_and_the_others_find_nothing_to_do(url: &str) {
        let mut runners = Vec::new();
        for _ in 0..8 {
            let db = open(url).await;
            runners.push(tokio::spawn(async move { upgrade(&db).await.unwrap().len() }));
        }
        let mut applied = Vec::new();
        for runner in runners {
            applied.push(runner.await.unwrap());
        }
        assert_eq!(applied.iter().sum::<usize>(), 2, "{applied:?}");
        let db = open(url).await;
        assert_eq!(inspect(&db).await.unwrap(), Inspection::Book);
        assert_eq!(migrator(&db).check().await.unwrap(), []);
    }

    async fn a_book_whose_steps_an_older_program_did_not_record_goes_down_and_up(url: &str) {
        let db = book(url).await;
        let before = schema(&db).await;
        sql(&db, "DROP TABLE tallybook_steps").await;
        sql(&db, "DROP TABLE tallybook_events").await;
        assert_eq!(migrator(&db).current().await.unwrap(), Some("0002"));
        assert_eq!(migrator(&db).check().await.unwrap(), []);
        migrator(&db).downgrade(&Target::Base).await.unwrap();
        assert_eq!(inspect(&db).await.unwrap(), Inspection::Nothing);
        upgrade(&db).await.unwrap();
        assert_eq!(schema(&db).await, before);
    }

    async fn an_upgrade_with_nothing_to_do_does_nothing(url: &str) {
        let db = book(url).await;
        let before = schema(&db).await;
        assert_eq!(upgrade(&db).await.unwrap(), []);
        assert_eq!(schema(&db).await, before);
    }
}
