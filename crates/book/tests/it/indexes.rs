//! The index that each query uses, as the planner reports it.

use tallybook::book::{
    Cursor, LimitOffset, Page, Positions, Repository, Result, Table, TradeStatus, Trades, TradingSessionId,
};
use tallybook::{Database, ReadSession, Session};
use tallybook::{Dialect, Explainer, Plan};

use crate::many_parents::MANY_PARENTS;
use crate::market::{LARGEST, MARKET, USUAL, symbol};
use crate::support::{for_each_table, rows, time};
use crate::template_books::on_copies;

type Explained<'s> = Explainer<'s, ReadSession>;

/// Returns the plan of the statements of `query`.
async fn plan<T>(db: &Database, query: impl AsyncFnOnce(&mut Explained<'_>) -> Result<T>) -> Plan {
    let mut session = db.read().await.unwrap();
    let mut explainer = Explainer::new(&mut session);
    query(&mut explainer).await.unwrap();
    explainer.plan().clone()
}

#[track_caller]
fn assert_uses(plan: &Plan, index: &str) {
    assert!(plan.uses(index), "{index} is not among {:?}:\n{}", plan.indexes, plan.text);
}

on_copies! { of MARKET:
    async fn the_trades_of_a_session_are_found_by_the_index_on_it(db: &Database) {
        for session in [1, 50, 400].map(TradingSessionId::new) {
            let plan = plan(db, async |s| Trades::new(s).get_by_session(session).await).await;
            assert_uses(&plan, "ix_trades_session_id");
        }
    }

    async fn the_trades_of_sessions_and_their_executions_are_both_found_by_that_index(db: &Database) {
        let one = async |s: &mut Explained<'_>| {
            Trades::new(s).get_by_session_with_executions(TradingSessionId::new(200)).await
        };
        let many = async |s: &mut Explained<'_>| {
            Trades::new(s).get_many_by_session_with_executions(&[TradingSessionId::new(200), TradingSessionId::new(300)]).await
        };
        for plan in [plan(db, one).await, plan(db, many).await] {
            let uses = plan.indexes.iter().filter(|index| *index == "ix_trades_session_id").count();
            assert_eq!(uses, 2, "{}", plan.text);
        }
    }

    async fn a_position_is_found_by_the_index_on_portfolio_and_symbol(db: &Database) {
        for portfolio in [LARGEST, USUAL] {
            let plan = plan(db, async |s| Positions::new(s).get_by_symbol(portfolio, &symbol(7)).await).await;
            assert_uses(&plan, "ix_positions_portfolio_symbol");
        }
    }

    async fn trades_of_a_rare_status_are_found_by_the_index_on_portfolio_and_status(db: &Database) {
        let rejected = async |s: &mut Explained<'_>| {
            let window = LimitOffset::first(20);
            Trades::new(s).get_by_portfolio_and_status(LARGEST, &TradeStatus::Rejected, window).await
        };
        assert_uses(&plan(db, rejected).await, "ix_trades_portfolio_status");
    }

    async fn open_orders_are_found_by_the_index_on_portfolio_and_status(db: &Database) {
        for portfolio in [LARGEST, USUAL] {
            let open = async |s: &mut Explained<'_>| Trades::new(s).get_open(portfolio, LimitOffset::first(1_000)).await;
            assert_uses(&plan(db, open).await, "ix_trades_portfolio_status");
        }
    }

    async fn changed_and_closed_trades_are_found_by_the_index_on_their_last_change(db: &Database) {
        for seconds in [0, 200_000, 399_000] {
            let changed = async |s: &mut Explained<'_>| Trades::new(s).get_updated_since(time(seconds), 100).await;
            let closed = async |s: &mut Explained<'_>| Trades::new(s).get_closed_since(time(seconds), 100).await;
            for plan in [plan(db, changed).await, plan(db, closed).await] {
                assert_uses(&plan, "ix_trades_updated");
                assert!(!plan.text.contains("Seq Scan") && !plan.text.contains("SCAN"), "{}", plan.text);
            }
        }
    }

    // PostgreSQL reads all 30,000 executions once rather than those of 100 trades one by one.
    async fn the_executions_of_a_portfolio_until_a_moment_are_found_by_its_trades(db: &Database) {
        let held =
            async |s: &mut Explained<'_>| Ok(Positions::new(s).holdings_at(USUAL, time(400_000)).await.unwrap());
        let plan = plan(db, held).await;
        assert!(plan.indexes.iter().any(|index| index.starts_with("ix_trades_portfolio_")), "{}", plan.text);
        if db.dialect() == Dialect::Sqlite {
            assert_uses(&plan, "ix_executions_trade_id");
        }
    }

    // Nearly all trades have that status: scanning from the newest finds a page of them at once, without sorting.
    async fn trades_of_a_common_status_are_found_by_the_index_on_portfolio_and_time(db: &Database) {
        let filled = async |s: &mut Explained<'_>| {
            Trades::new(s).get_by_portfolio_and_status(USUAL, &TradeStatus::Filled, LimitOffset::first(20)).await
        };
        assert_uses(&plan(db, filled).await, "ix_trades_portfolio_created");
    }

    async fn the_newest_trades_of_a_portfolio_are_found_by_the_index_on_portfolio_and_time(db: &Database) {
        let newest = async |s: &mut Explained<'_>| {
            Trades::new(s).get_by_portfolio(USUAL, LimitOffset::first(20)).await
        };
        assert_uses(&plan(db, newest).await, "ix_trades_portfolio_created");
        let with_executions =
            async |s: &mut Explained<'_>| Trades::new(s).get_by_portfolio_with_executions(USUAL, 20).await;
        assert_uses(&plan(db, with_executions).await, "ix_trades_portfolio_created");
    }

    // PostgreSQL expects a sixth of the newest trades to belong to this portfolio, and scans all of them.
    async fn the_newest_trades_of_the_largest_portfolio_are_found_in_the_order_of_time(db: &Database) {
        let newest = async |s: &mut Explained<'_>| {
            Trades::new(s).get_by_portfolio(LARGEST, LimitOffset::first(20)).await
        };
        let index = match db.dialect() {
            Dialect::Postgres => "ix_trades_created_at",
            Dialect::Sqlite => "ix_trades_portfolio_created",
        };
        assert_uses(&plan(db, newest).await, index);
    }
}

/// Returns a cursor after at least four fifths of all rows.
async fn deep<T: Table<Key = i64>>(session: &mut impl Session) -> Cursor<T> {
    let mut repository = Repository::<_, T>::new(session);
    let all = repository.count().await.unwrap();
    let mut cursor = None;
    let mut passed = 0;
    while passed < all * 4 / 5 {
        let Page { rows, next } = repository.get_page(cursor.as_ref(), 500).await.unwrap();
        passed += rows.len() as u64;
        cursor = next;
    }
    cursor.unwrap()
}

/// Returns the index on the time, or on the identifier where that orders the table.
fn ordering_index<T: Table<Key = i64>>(dialect: Dialect) -> String {
    match (T::ORDER, dialect) {
        (Some(column), _) => format!("ix_{}_{column}", T::NAME),
        (None, Dialect::Postgres) => format!("{}_pkey", T::NAME),
        (None, Dialect::Sqlite) => "INTEGER PRIMARY KEY".to_owned(),
    }
}

async fn finds_a_deep_page_by_index<T: Table<Key = i64>>(db: &Database) {
    let cursor = deep::<T>(&mut db.read().await.unwrap()).await;
    let page = plan(db, async |s| Repository::<_, T>::new(s).get_page(Some(&cursor), 20).await).await;
    assert_uses(&page, &ordering_index::<T>(db.dialect()));
    match db.dialect() {
        Dialect::Postgres => {
            assert!(page.text.contains("Index Cond"), "{}", page.text);
            assert!(!page.text.contains(r#""Node Type": "Sort""#), "{}", page.text);
            assert!(!page.text.contains("Seq Scan"), "{}", page.text);
        }
        Dialect::Sqlite => {
            assert!(page.text.contains("SEARCH"), "{}", page.text);
            assert!(!page.text.contains("SCAN"), "{}", page.text);
            assert!(!page.text.contains("TEMP B-TREE"), "{}", page.text);
        }
    }
}

async fn finds_the_first_page_by_index<T: Table<Key = i64>>(db: &Database) {
    let page = plan(db, async |s| Repository::<_, T>::new(s).get_page(None, 20).await).await;
    assert!(!page.text.contains(r#""Node Type": "Sort""#), "{}", page.text);
    assert!(!page.text.contains("TEMP B-TREE"), "{}", page.text);
}

/// Returns the number of rows of a table that PostgreSQL has read in this transaction.
async fn rows_read<T: Table<Key = i64>>(session: &mut impl Session) -> i64 {
    let sql = format!(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = '{}'",
        T::NAME
    );
    rows::<(i64,)>(session, sql).await[0].0
}

async fn reads_little_for_a_deep_page<T: Table<Key = i64>>(db: &Database) {
    let mut session = db.begin().await.unwrap();
    let cursor = deep::<T>(&mut session).await;
    let before = rows_read::<T>(&mut session).await;
    let page = Repository::<_, T>::new(&mut session).get_page(Some(&cursor), 20).await.unwrap();
    let read = rows_read::<T>(&mut session).await - before;
    assert_eq!(page.rows.len(), 20);
    // One more shows whether there is a next page; a few share the time of the last or the first.
    assert!((21..=25).contains(&read), "{} read {read} rows", T::NAME);
}

on_copies! { of MANY_PARENTS:
    async fn a_deep_page_is_found_by_an_index(db: &Database) {
        for_each_table!(finds_a_deep_page_by_index(db));
    }

    async fn the_first_page_is_not_sorted_for(db: &Database) {
        for_each_table!(finds_the_first_page_by_index(db));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_reads_no_more_than_a_page_however_deep_it_lies() {
    let database = MANY_PARENTS.on_postgres("postgres_reads_no_more_than_a_page").await;
    let db = crate::support::open(database.url()).await;
    for_each_table!(reads_little_for_a_deep_page(&db));
}
