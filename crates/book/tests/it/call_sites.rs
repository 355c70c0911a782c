//! Statements of a repository are recorded at the line that called it.

use std::collections::{BTreeMap, BTreeSet};

use tallybook::Database;
use tallybook::book::{
    Executions, LimitOffset, NewPortfolio, PortfolioChanges, Portfolios, Positions, Repository,
    SessionStatus, TradeStatus, Trades, TradingSessions, inspect,
};
use tallybook::{Dialect, Row, StatementReport};
use tallybook_testkit::both_dialects;

use crate::sample::{PORTFOLIO, SESSION, Sample, TRADE, parents};
use crate::support::{for_each_table, open, time};
use crate::template_books::{EMPTY, on_copies};

const ALL: LimitOffset = LimitOffset::first(100);

/// Number of executions of each statement.
type Runs = BTreeMap<String, u64>;

fn runs(db: &Database) -> Runs {
    let statements = db.report().statements.into_iter();
    statements.map(|statement| (statement.fingerprint.clone(), times(&statement))).collect()
}

fn times(statement: &StatementReport) -> u64 {
    statement.calls + statement.errors()
}

/// Returns the source lines of all statements that ran since.
fn lines_since(db: &Database, before: &Runs) -> BTreeSet<String> {
    let statements = db.report().statements.into_iter();
    let ran = statements.filter(|statement| before.get(&statement.fingerprint) != Some(&times(statement)));
    ran.map(|statement| statement.at.map_or_else(String::new, |at| at.to_string())).collect()
}

/// Awaits a call written on the line of the macro, and asserts that its statements are recorded there.
macro_rules! assert_here {
    ($db:expr, $call:expr) => {{
        let before = runs($db);
        let result = $call.await;
        let here = BTreeSet::from([format!("{}:{}", file!(), line!())]);
        assert_eq!(lines_since($db, &before), here, "{}", stringify!($call));
        result
    }};
}

async fn reads_here<T: Sample>(db: &Database) {
    let mut session = db.read().await.unwrap();
    let mut rows = Repository::<_, T>::new(&mut session);
    assert_here!(db, rows.get(1.into())).unwrap();
    assert_here!(db, rows.get_by_ids(&[1.into()])).unwrap();
    assert_here!(db, rows.get_many(ALL)).unwrap();
    let page = assert_here!(db, rows.get_page(None, 1)).unwrap();
    assert_here!(db, rows.get_page(page.next.as_ref(), 1)).unwrap();
    assert_here!(db, rows.count()).unwrap();
}

async fn writes_here<T: Sample>(db: &Database) {
    let mut session = db.begin().await.unwrap();
    let mut rows = Repository::<_, T>::new(&mut session);
    let created = assert_here!(db, rows.create(&T::full(1, time(1)))).unwrap();
    assert_here!(db, rows.create_many(&[T::full(2, time(2))])).unwrap();
    assert_here!(db, T::delete(&mut rows, created.id())).unwrap();
    session.commit().await.unwrap();
}

async fn loads_here<T: Sample>(db: &Database) {
    let new = T::full(1, time(1));
    let columns: Vec<_> = T::New::COLUMNS.iter().map(|column| column.name).collect();
    let mut session = db.begin().await.unwrap();
    let mut rows = Repository::<_, T>::new(&mut session);
    let before = runs(db);
    let (line, load) = (line!(), rows.bulk_load(Some(&columns)).await);
    let mut load = load.unwrap();
    load.write(&new).await.unwrap();
    load.finish().await.unwrap();
    assert_eq!(lines_since(db, &before), BTreeSet::from([format!("{}:{line}", file!())]));
}

async fn aligns_here<T: Sample>(db: &Database) {
    let mut session = db.begin().await.unwrap();
    assert_here!(db, Repository::<_, T>::new(&mut session).sync_sequence()).unwrap();
}

on_copies! { of EMPTY:
    async fn a_read_of_any_table_is_recorded_at_its_caller(db: &Database) {
        parents(db).await;
        for_each_table!(reads_here(db));
    }

    async fn a_write_to_any_table_is_recorded_at_its_caller(db: &Database) {
        parents(db).await;
        for_each_table!(writes_here(db));
    }

    async fn a_bulk_load_is_recorded_where_it_begins(db: &Database) {
        parents(db).await;
        for_each_table!(loads_here(db));
    }

    async fn aligning_identifiers_is_recorded_at_its_caller(db: &Database) {
        if db.dialect() == Dialect::Postgres {
            for_each_table!(aligns_here(db));
        }
    }

    async fn an_update_is_recorded_at_its_caller_with_and_without_changes(db: &Database) {
        parents(db).await;
        let mut session = db.begin().await.unwrap();
        let mut portfolios = Portfolios::new(&mut session);
        assert_here!(db, portfolios.update(PORTFOLIO, PortfolioChanges::new().currency("EUR"))).unwrap();
        assert_here!(db, portfolios.update(PORTFOLIO, PortfolioChanges::new())).unwrap();
    }

    async fn the_safe_ways_to_change_a_row_are_recorded_at_their_caller(db: &Database) {
        parents(db).await;
        let mut session = db.begin().await.unwrap();
        let mut portfolios = Portfolios::new(&mut session);
        let read = assert_here!(db, portfolios.get_for_update(PORTFOLIO)).unwrap().unwrap().updated_at;
        let changes = || PortfolioChanges::new().currency("EUR");
        assert_here!(db, portfolios.update(PORTFOLIO, changes()).expecting(read)).unwrap();
        assert_here!(db, portfolios.update(PORTFOLIO, changes()).expecting(read)).unwrap_err();
        assert_here!(db, portfolios.delete(PORTFOLIO).expecting(read)).unwrap_err();
        assert_here!(db, portfolios.add_current_capital(PORTFOLIO, 1)).unwrap();
    }

    async fn every_read_of_portfolios_is_recorded_at_its_caller(db: &Database) {
        let mut session = db.read().await.unwrap();
        let mut portfolios = Portfolios::new(&mut session);
        assert_here!(db, portfolios.get_by_name("parent")).unwrap();
        assert_here!(db, portfolios.get_with_positions(PORTFOLIO)).unwrap();
        assert_here!(db, portfolios.get_with_trades(PORTFOLIO)).unwrap();
        assert_here!(db, portfolios.get_with_all_relations(PORTFOLIO)).unwrap();
        assert_here!(db, portfolios.get_many_with_positions(&[PORTFOLIO])).unwrap();
        assert_here!(db, portfolios.get_many_with_trades(&[PORTFOLIO])).unwrap();
        assert_here!(db, portfolios.get_many_with_all_relations(&[PORTFOLIO])).unwrap();
    }

    async fn every_read_of_trades_is_recorded_at_its_caller(db: &Database) {
        let mut session = db.read().await.unwrap();
        let mut trades = Trades::new(&mut session);
        let status = TradeStatus::Filled;
        assert_here!(db, trades.get_by_portfolio(PORTFOLIO, ALL)).unwrap();
        assert_here!(db, trades.get_by_status(&status, ALL)).unwrap();
        assert_here!(db, trades.get_by_portfolio_and_status(PORTFOLIO, &status, ALL)).unwrap();
        assert_here!(db, trades.get_by_session(SESSION)).unwrap();
        assert_here!(db, trades.get_by_session_with_executions(SESSION)).unwrap();
        assert_here!(db, trades.get_many_by_session_with_executions(&[SESSION])).unwrap();
        assert_here!(db, trades.get_with_executions(TRADE)).unwrap();
        assert_here!(db, trades.get_many_with_executions(&[TRADE])).unwrap();
        assert_here!(db, trades.get_by_portfolio_with_executions(PORTFOLIO, 9)).unwrap();
        assert_here!(db, trades.get_many_by_portfolio_with_executions(&[PORTFOLIO], 9)).unwrap();
    }

    async fn every_read_of_positions_executions_and_sessions_is_recorded_at_its_caller(db: &Database) {
        let mut session = db.read().await.unwrap();
        let mut positions = Positions::new(&mut session);
        assert_here!(db, positions.get_by_portfolio(PORTFOLIO, ALL)).unwrap();
        assert_here!(db, positions.get_by_symbol(PORTFOLIO, "A")).unwrap();
        assert_here!(db, Executions::new(&mut session).get_by_trade(TRADE)).unwrap();
        let mut sessions = TradingSessions::new(&mut session);
        assert_here!(db, sessions.get_by_portfolio(PORTFOLIO, ALL)).unwrap();
        assert_here!(db, sessions.get_by_status(&SessionStatus::Active, ALL)).unwrap();
        assert_here!(db, sessions.get_active(ALL)).unwrap();
    }

    async fn a_call_that_fails_is_recorded_at_its_caller(db: &Database) {
        parents(db).await;
        let mut session = db.begin().await.unwrap();
        let taken = NewPortfolio::new("parent");
        assert_here!(db, Portfolios::new(&mut session).create(&taken)).unwrap_err();
    }

    async fn a_repository_that_is_kept_records_the_line_of_each_call(db: &Database) {
        let mut session = db.read().await.unwrap();
        let mut portfolios = Portfolios::new(&mut session);
        let first = (line!(), portfolios.get(PORTFOLIO).await.unwrap()).0;
        let line = |db: &Database| {
            let report = db.report();
            let get = report.statements.iter().find(|statement| statement.calls > 0).unwrap();
            get.at.as_ref().unwrap().line
        };
        assert_eq!(line(db), first);
        let later = (line!(), portfolios.get(PORTFOLIO).await.unwrap()).0;
        assert_ne!(first, later);
        assert_eq!(line(db), later);
    }

    async fn a_future_that_is_awaited_later_records_the_line_that_made_it(db: &Database) {
        let mut session = db.read().await.unwrap();
        let mut portfolios = Portfolios::new(&mut session);
        let before = runs(db);
        let (line, future) = (line!(), portfolios.get_with_trades(PORTFOLIO));
        future.await.unwrap();
        assert_eq!(lines_since(db, &before), BTreeSet::from([format!("{}:{line}", file!())]));
    }
}

both_dialects! {
    async fn a_look_at_the_contents_is_recorded_at_its_caller(url: &str) {
        let db = open(url).await;
        assert_here!(&db, inspect(&db)).unwrap();
    }
}
