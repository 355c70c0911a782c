//! Up, down and up again: the same schema, and the rows that had a place all the way.

use tallybook::engine::Statement;
use tallybook::engine::migrate::Goal;
use tallybook::{
    Contents, Database, Execution, Portfolio, Position, Repository, Table, Trade, TradingSession, Window,
    contents, migrator, upgrade,
};
use tallybook_testkit::both_engines;

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

/// A book with rows in every table, all fields filled in some of them.
async fn fill(db: &Database) {
    parents(db).await;
    for_each_table!(create(db));
}

async fn all<T: Table>(db: &Database) -> Vec<T> {
    let mut session = db.read().await.unwrap();
    Repository::new(&mut session).get_many(Window::first(1_000)).await.unwrap()
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

/// Rows that refer to one that is not there. PostgreSQL keeps none once a key is valid, which the catalog
/// says.
const BROKEN: Statement = Statement::per_engine(
    "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated",
    "SELECT count(*) FROM pragma_foreign_key_check",
);

async fn assert_keys_hold(db: &Database) {
    assert_eq!(rows::<(i64,)>(&mut db.read().await.unwrap(), BROKEN).await, [(0,)]);
}

both_engines! {
    async fn down_to_base_and_up_again_is_the_same_schema(url: &str) {
        let db = book(url).await;
        fill(&db).await;
        let before = schema(&db).await;

        let undone = migrator(&db).force(true).downgrade(&Goal::Base).await.unwrap();
        assert_eq!(undone.iter().map(|change| change.id).collect::<Vec<_>>(), ["0002", "0001"]);
        assert_eq!(contents(&db).await.unwrap(), Contents::Nothing);
        assert_eq!(migrator(&db).current().await.unwrap(), None);

        assert_eq!(upgrade(&db).await.unwrap().len(), 2);
        assert_eq!(schema(&db).await, before);
        assert_eq!(all::<Portfolio>(&db).await, []);
        assert_keys_hold(&db).await;
    }

    async fn one_step_down_is_the_schema_as_it_was_and_up_again_as_it_is(url: &str) {
        let db = open(url).await;
        let first = Goal::Revision("0001".to_owned());
        migrator(&db).upgrade(&first).await.unwrap();
        let as_it_was = schema(&db).await;
        migrator(&db).upgrade(&Goal::Steps(1)).await.unwrap();
        let as_it_is = schema(&db).await;
        fill(&db).await;

        migrator(&db).force(true).downgrade(&Goal::Steps(-1)).await.unwrap();
        assert_eq!(schema(&db).await, as_it_was);
        assert_keys_hold(&db).await;
        migrator(&db).upgrade(&Goal::Head).await.unwrap();
        assert_eq!(schema(&db).await, as_it_is);
        assert_keys_hold(&db).await;
    }

    async fn one_step_down_and_up_again_costs_the_sessions_of_trades_and_nothing_else(url: &str) {
        let db = book(url).await;
        fill(&db).await;
        let before = everything(&db).await;
        assert!(before.trades.iter().any(|trade| trade.session_id.is_some()));

        migrator(&db).force(true).downgrade(&Goal::Steps(-1)).await.unwrap();
        assert_eq!(migrator(&db).current().await.unwrap(), Some("0001"));
        migrator(&db).upgrade(&Goal::Steps(1)).await.unwrap();

        let trades = before.trades.into_iter().map(|trade| Trade { session_id: None, ..trade }).collect();
        assert_eq!(everything(&db).await, Everything { trades, ..before });
    }

    async fn a_rollback_that_others_stand_in_the_way_of_leaves_all_rows(url: &str) {
        let db = book(url).await;
        fill(&db).await;
        let portfolios = all::<Portfolio>(&db).await;
        sql(&db, "CREATE TABLE fans (portfolio_id integer NOT NULL REFERENCES portfolios (id))").await;
        sql(&db, "INSERT INTO fans (portfolio_id) VALUES (1)").await;

        let error = migrator(&db).force(true).downgrade(&Goal::Base).await.unwrap_err();
        assert!(error.is_revision(), "{error}");
        assert!(error.to_string().contains("drop portfolios"), "{error}");

        assert_eq!(migrator(&db).current().await.unwrap(), Some("0001"));
        migrator(&db).upgrade(&Goal::Head).await.unwrap();
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
        assert_eq!(contents(&db).await.unwrap(), Contents::Book);
        assert_eq!(migrator(&db).check().await.unwrap(), []);
    }

    async fn a_book_whose_steps_an_older_program_did_not_record_goes_down_and_up(url: &str) {
        let db = book(url).await;
        let before = schema(&db).await;
        sql(&db, "DROP TABLE tallybook_steps").await;
        sql(&db, "DROP TABLE tallybook_events").await;
        assert_eq!(migrator(&db).current().await.unwrap(), Some("0002"));
        assert_eq!(migrator(&db).check().await.unwrap(), []);
        migrator(&db).downgrade(&Goal::Base).await.unwrap();
        assert_eq!(contents(&db).await.unwrap(), Contents::Nothing);
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
