//! Up, down and up again: the same schema, and all rows that have a table throughout.

use tallybook::Database;
use tallybook::Statement;
use tallybook::book::{
    Execution, Executions, Inspection, LimitOffset, NewExecution, Portfolio, Position, Positions, Repository,
    Table, Trade, TradingSession, inspect, migrator, upgrade,
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
        assert_eq!(undone.iter().map(|change| change.id).collect::<Vec<_>>(), ["0003", "0002", "0001"]);
        assert_eq!(inspect(&db).await.unwrap(), Inspection::Nothing);
        assert_eq!(migrator(&db).current().await.unwrap(), None);

        assert_eq!(upgrade(&db).await.unwrap().len(), 3);
        assert_eq!(schema(&db).await, before);
        assert_eq!(all::<Portfolio>(&db).await, []);
        assert_keys_hold(&db).await;
    }

    async fn each_step_down_is_the_schema_as_it_was_and_up_again_as_it_is(url: &str) {
        let db = open(url).await;
        let mut schemas = Vec::new();
        for revision in ["0001", "0002", "0003"] {
            migrator(&db).upgrade(&Target::Steps(1)).await.unwrap();
            assert_eq!(migrator(&db).current().await.unwrap(), Some(revision));
            schemas.push(schema(&db).await);
        }
        fill(&db).await;
        for as_it_was in schemas[..2].iter().rev() {
            migrator(&db).force(true).downgrade(&Target::Steps(-1)).await.unwrap();
            assert_eq!(schema(&db).await, *as_it_was);
            assert_keys_hold(&db).await;
        }
        for as_it_is in &schemas[1..] {
            migrator(&db).upgrade(&Target::Steps(1)).await.unwrap();
            assert_eq!(schema(&db).await, *as_it_is);
            assert_keys_hold(&db).await;
        }
    }

    async fn steps_down_and_up_again_cost_the_values_of_their_columns_and_nothing_else(url: &str) {
        let db = book(url).await;
        fill(&db).await;
        sql(&db, "UPDATE executions SET reverses_id = 1 WHERE id = 2").await;
        let mut rows = everything(&db).await;
        assert!(rows.trades.iter().any(|trade| trade.session_id.is_some() && trade.realized_pnl.is_some()));

        let error = migrator(&db).downgrade(&Target::Steps(-1)).await.unwrap_err().to_string();
        assert!(error.contains("column executions.reverses_id holds 1 value"), "{error}");
        migrator(&db).force(true).downgrade(&Target::Steps(-1)).await.unwrap();
        migrator(&db).upgrade(&Target::Steps(1)).await.unwrap();
        for trade in &mut rows.trades {
            trade.realized_pnl = None;
        }
        for execution in &mut rows.executions {
            (execution.realized_pnl, execution.reverses_id, execution.mark) = (None, None, None);
        }
        assert_eq!(everything(&db).await, rows);

        migrator(&db).force(true).downgrade(&Target::Steps(-2)).await.unwrap();
        assert_eq!(migrator(&db).current().await.unwrap(), Some("0001"));
        migrator(&db).upgrade(&Target::Steps(2)).await.unwrap();
        for trade in &mut rows.trades {
            trade.session_id = None;
        }
        assert_eq!(everything(&db).await, rows);
    }

    async fn an_execution_is_taken_back_once_and_a_portfolio_has_one_position_in_a_symbol(url: &str) {
        let db = book(url).await;
        fill(&db).await;
        let mut session = db.begin().await.unwrap();
        let reversal = NewExecution { reverses_id: Some(1.into()), ..Execution::bare(7) };
        let created = Executions::new(&mut session).create(&reversal).await.unwrap();
        assert_eq!(created.reverses_id, Some(1.into()));
        session.commit().await.unwrap();

        let mut session = db.begin().await.unwrap();
        let error = Executions::new(&mut session).create(&reversal).await.unwrap_err();
        assert!(error.is_unique_violation(), "{error}");
        drop(session);

        let mut session = db.begin().await.unwrap();
        let unknown = NewExecution { reverses_id: Some(999.into()), ..Execution::bare(8) };
        let error = Executions::new(&mut session).create(&unknown).await.unwrap_err();
        assert!(error.is_foreign_key_violation(), "{error}");
        drop(session);

        let mut session = db.begin().await.unwrap();
        let error = Positions::new(&mut session).create(&Position::bare(1)).await.unwrap_err();
        assert!(error.is_unique_violation(), "{error}");
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
        assert_eq!(applied.iter().sum::<usize>(), 3, "{applied:?}");
        let db = open(url).await;
        assert_eq!(inspect(&db).await.unwrap(), Inspection::Book);
        assert_eq!(migrator(&db).check().await.unwrap(), []);
    }

    async fn a_book_whose_steps_an_older_program_did_not_record_goes_down_and_up(url: &str) {
        let db = book(url).await;
        let before = schema(&db).await;
        sql(&db, "DROP TABLE tallybook_steps").await;
        sql(&db, "DROP TABLE tallybook_events").await;
        assert_eq!(migrator(&db).current().await.unwrap(), Some("0003"));
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
