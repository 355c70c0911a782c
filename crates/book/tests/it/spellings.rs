//! Times that other programs wrote into an SQLite file in other formats: read, ordered and paged by their value.

use std::cmp::Reverse;
use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof, proptest};
use proptest::sample::select;
use proptest::test_runner::Config;
use tallybook::book::{
    Cursor, Executions, LimitOffset, Portfolios, Repository, SessionStatus, Table, Trade, Trades,
    TradingSessions,
};
use tallybook::{Database, WriteSession};
use tallybook::{execute, params};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::sample::{PORTFOLIO, SESSION, Sample, TRADE, parents};
use crate::support::{book, for_each_table, sql, time};

const ALL: LimitOffset = LimitOffset::first(u32::MAX);

/// A time in one of few seconds of a few days, and its format.
#[derive(Clone, Debug)]
struct Spelled {
    moment: DateTime<Utc>,
    text: String,
}

fn spelled() -> impl Strategy<Value = Spelled> {
    let micros = select(vec![0, 1, 100_000, 120_000, 500_000, 500_001, 510_000, 999_999]);
    let second = select(vec![0_i64, 1, 60, 43_200, 86_399, 86_400, 172_800]);
    let how = (select(vec![' ', 'T']), 0..5_usize, select(vec!["", "", "Z", "+00:00", "-00:00"]));
    // Half of them in the book's format, so that whole pages are canonical.
    let how = prop_oneof![Just((' ', 0, "")), how];
    (second, micros, how).prop_map(|(second, micros, (separator, digits, utc))| {
        let moment = time(second) + TimeDelta::microseconds(micros);
        let (day, time) = (moment.format("%Y-%m-%d"), moment.format("%H:%M:%S"));
        let whole = format!("{day}{separator}{time}");
        let fraction = format!(".{micros:06}");
        let shortest = fraction.trim_end_matches('0').trim_end_matches('.');
        let fraction = match digits {
            1 => shortest.to_owned(),
            2 if shortest.is_empty() => ".0".to_owned(),
            2 => format!("{shortest}0"),
            3 => format!("{fraction}000"),
            4 if micros % 1_000 == 0 => fraction[..4].to_owned(),
            _ => fraction,
        };
        Spelled { moment, text: format!("{whole}{fraction}{utc}") }
    })
}

/// Writes each text into a new row, bypassing the book.
async fn create<T: Sample>(session: &mut WriteSession, spelled: &[Spelled]) -> Vec<T> {
    let new: Vec<_> =
        spelled.iter().enumerate().map(|(number, spelled)| T::full(number, spelled.moment)).collect();
    let rows = Repository::<_, T>::new(session).create_many(&new).await.unwrap();
    if let Some(order) = T::ORDER {
        let update = format!("UPDATE {} SET {order} = $1 WHERE id = $2", T::NAME);
        for (row, spelled) in rows.iter().zip(spelled) {
            session.run(execute(update.clone(), params![spelled.text, row.id()])).await.unwrap();
        }
    }
    rows
}

fn key<T: Table<Key = i64>>(row: &T) -> Reverse<(Option<DateTime<Utc>>, i64)> {
    Reverse((row.time(), row.id().get()))
}

fn part<T: Clone>(rows: &[T], skip: usize, limit: usize) -> Vec<T> {
    rows.iter().skip(skip).take(limit).cloned().collect()
}

/// Tests a property on generated rows, in a transaction that is rolled back.
#[allow(clippy::needless_pass_by_value, reason = "callers write their law in place")]
fn holds(db: &Database, law: impl AsyncFn(&mut WriteSession, &[Spelled])) {
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    proptest!(config, |(spelled in vec(spelled(), 0..24))| {
        block_in_place(|| {
            Handle::current().block_on(async {
                let mut session = db.begin().await.unwrap();
                law(&mut session, &spelled).await;
                session.roll_back().await.unwrap();
            });
        });
    });
}

/// Returns the expected list of a table.
async fn expected<T: Sample>(session: &mut WriteSession, spelled: &[Spelled]) -> Vec<T> {
    let mut rows = Repository::<_, T>::new(session).get_many(ALL).await.unwrap();
    rows.extend(create::<T>(session, spelled).await);
    rows.sort_by_key(key);
    rows
}

async fn lists_and_pages_are_in_order<T: Sample>(db: &Database) {
    holds(db, async |session, spelled| {
        let expected = expected::<T>(session, spelled).await;
        let mut repository = Repository::<_, T>::new(session);
        assert_eq!(repository.get_many(ALL).await.unwrap(), expected);
        for limit in [0, 1, 2, 3, 7] {
            for skip in 0..=expected.len() {
                let window = LimitOffset { skip: u32::try_from(skip).unwrap(), limit };
                let found = repository.get_many(window).await.unwrap();
                assert_eq!(found, part(&expected, skip, limit as usize), "{window:?}");
            }
        }
        for limit in [1, 2, 5] {
            let first = repository.get_page(None, limit).await.unwrap();
            assert_eq!(first.rows, part(&expected, 0, limit as usize));
            // After each row, whatever was read before.
            for (place, row) in expected.iter().enumerate() {
                let time =
                    row.time().map_or_else(String::new, |time| format!(".{}", time.timestamp_micros()));
                let cursor: Cursor<T> = format!("{}{time}.{}", T::NAME, row.id()).parse().unwrap();
                let page = repository.get_page(Some(&cursor), limit).await.unwrap();
                assert_eq!(page.rows, part(&expected, place + 1, limit as usize), "{cursor}");
                assert_eq!(page.next.is_some(), place + 1 + (limit as usize) < expected.len());
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_and_pages_of_all_tables_are_in_the_order_of_moments() {
    let file = tallybook_testkit::SqliteFile::new("book");
    let db = book(&file.url()).await;
    parents(&db).await;
    for_each_table!(lists_and_pages_are_in_order(&db));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_trades_are_the_newest_by_their_moments() {
    let file = tallybook_testkit::SqliteFile::new("book");
    let db = book(&file.url()).await;
    parents(&db).await;
    // The parents' own trade has another day.
    sql(&db, "UPDATE trades SET portfolio_id = 1, session_id = 1, created_at = '2024-01-01T00:00:00'").await;
    holds(&db, async |session, spelled| {
        let expected = expected::<Trade>(session, spelled).await;
        let status = expected[0].status.clone();
        let same: Vec<_> = expected.iter().filter(|trade| trade.status == status).cloned().collect();
        let of_session: Vec<_> =
            expected.iter().filter(|trade| trade.session_id == Some(SESSION)).cloned().collect();
        let mut repository = Trades::new(session);
        for (skip, limit) in [(0, 1), (0, 2), (0, 5), (1, 2), (3, 3)] {
            let window = LimitOffset { skip, limit };
            let (skip, count) = (skip as usize, limit as usize);
            assert_eq!(
                repository.get_by_portfolio(PORTFOLIO, window).await.unwrap(),
                part(&expected, skip, count)
            );
            assert_eq!(repository.get_by_status(&status, window).await.unwrap(), part(&same, skip, count));
            let found = repository.get_by_portfolio_and_status(PORTFOLIO, &status, window).await.unwrap();
            assert_eq!(found, part(&same, skip, count));
            let newest = part(&expected, 0, count);
            let found = repository.get_by_portfolio_with_executions(PORTFOLIO, limit).await.unwrap();
            assert_eq!(found.into_iter().map(|found| found.trade).collect::<Vec<_>>(), newest);
            let found = repository.get_many_by_portfolio_with_executions(&[PORTFOLIO], limit).await.unwrap();
            assert_eq!(found.into_iter().map(|found| found.trade).collect::<Vec<_>>(), newest);
        }
        assert_eq!(repository.get_by_session(SESSION).await.unwrap(), of_session);
        let found = repository.get_many_by_session_with_executions(&[SESSION]).await.unwrap();
        assert_eq!(found.into_iter().map(|found| found.trade).collect::<Vec<_>>(), of_session);
        let found = Portfolios::new(session).get_with_trades(PORTFOLIO).await.unwrap().unwrap();
        assert_eq!(found.trades, expected);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn executions_and_sessions_of_a_parent_are_in_the_order_of_their_moments() {
    let file = tallybook_testkit::SqliteFile::new("book");
    let db = book(&file.url()).await;
    parents(&db).await;
    holds(&db, async |session, spelled| {
        let executions = expected::<tallybook::book::Execution>(session, spelled).await;
        assert_eq!(Executions::new(session).get_by_trade(TRADE).await.unwrap(), executions);
        let found = Trades::new(session).get_with_executions(TRADE).await.unwrap().unwrap();
        assert_eq!(found.executions, executions);
        let found = Trades::new(session).get_by_portfolio_with_executions(PORTFOLIO, 1).await.unwrap();
        assert_eq!(found[0].executions, executions);

        let sessions = expected::<tallybook::book::TradingSession>(session, spelled).await;
        let window = LimitOffset::first(3).skip(1);
        let found = TradingSessions::new(session).get_by_portfolio(PORTFOLIO, window).await.unwrap();
        assert_eq!(found, part(&sessions, 1, 3));
        let mut active = sessions.clone();
        active.retain(|session| session.status == SessionStatus::Active);
        assert_eq!(
            TradingSessions::new(session).get_active(LimitOffset::first(3)).await.unwrap(),
            part(&active, 0, 3)
        );
        let found = Portfolios::new(session).get_with_all_relations(PORTFOLIO).await.unwrap().unwrap();
        assert_eq!(found.sessions, sessions);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_over_one_second_in_many_spellings_returns_each_row_once() {
    let file = tallybook_testkit::SqliteFile::new("book");
    let db = book(&file.url()).await;
    parents(&db).await;
    sql(
        &db,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
         INSERT INTO trades (portfolio_id, symbol, action, quantity, order_type, status, filled_quantity, created_at, \
         updated_at) SELECT 1, 'A', 'BUY', 1, 'MARKET', 'FILLED', 0, CASE i % 4 WHEN 0 THEN '2025-03-01 09:30:00' \
         WHEN 1 THEN '2025-03-01T09:30:00' WHEN 2 THEN '2025-03-01T09:30:00.000Z' ELSE '2025-03-01 09:30:00.000000' END, \
         '2025-03-01 09:30:00' FROM n",
    )
    .await;
    let mut session = db.read().await.unwrap();
    let mut trades = Trades::new(&mut session);
    let mut walked = Vec::new();
    let mut next = None;
    while walked.len() <= 3_001 {
        let page = trades.get_page(next.as_ref(), 250).await.unwrap();
        walked.extend(page.rows.iter().map(|trade| trade.id.get()));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    // The parents' trade has the current day, and so is the newest.
    walked.sort_unstable();
    assert_eq!(walked, (1..=3_001).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn canonical_rows_of_one_moment_cost_no_second_read_of_a_page() {
    let file = tallybook_testkit::SqliteFile::new("book");
    let db = book(&file.url()).await;
    parents(&db).await;
    let mut session = db.begin().await.unwrap();
    let moment = |micros| Spelled { moment: time(0) + TimeDelta::microseconds(micros), text: String::new() };
    let canonical = |micros| Spelled { text: format!("2024-01-01 00:00:00.{micros:06}"), ..moment(micros) };
    create::<Trade>(&mut session, &[3, 3, 3, 3, 7, 9].map(canonical)).await;
    let before = session.counts().statements;
    let page = Trades::new(&mut session).get_page(None, 4).await.unwrap();
    Trades::new(&mut session).get_page(page.next.as_ref(), 2).await.unwrap();
    assert_eq!(session.counts().statements - before, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_that_can_not_be_read_ends_the_page_that_it_falls_on_and_is_named() {
    let file = tallybook_testkit::SqliteFile::new("book");
    let db = book(&file.url()).await;
    parents(&db).await;
    for (value, found) in [
        ("'2024-01-01'", "a date without a time"),
        ("'2024-01-01 00:00:00-05:00'", "a time with an offset from UTC"),
        ("'yesterday'", "a text that is no timestamp"),
        ("1740821400", "an integer"),
        ("x'00'", "a blob of 1 bytes"),
    ] {
        let mut session = db.begin().await.unwrap();
        let texts = ["2024-01-01 00:00:00.000001", "2024-01-01T00:00:00", "2023-12-31 00:00:00.000000"];
        let spelled = texts.map(|text| Spelled { moment: time(0), text: text.to_owned() });
        let rows = create::<Trade>(&mut session, &spelled).await;
        let id = rows[0].id;
        session.commit().await.unwrap();
        sql(&db, format!("UPDATE trades SET created_at = {value} WHERE id = {id}")).await;
        let mut session = db.read().await.unwrap();
        let mut trades = Trades::new(&mut session);
        let (mut next, mut walked) = (None, 0);
        let error = loop {
            match trades.get_page(next.as_ref(), 1).await {
                Ok(page) => (walked, next) = (walked + page.rows.len(), page.next),
                Err(error) => break error,
            }
            assert!(next.is_some(), "{value} is passed over");
        };
        assert!(walked <= 3);
        let told = format!("(id {id} of trades), column `created_at`: expected a timestamp");
        assert!(error.to_string().contains(&told) && error.to_string().contains(found), "{value}: {error}");
        let scanned = trades.scan(None, 10).await.unwrap();
        let unreadable: HashMap<_, _> =
            scanned.into_iter().filter_map(|(id, row)| Some((id, row.err()?))).collect();
        assert_eq!(unreadable.len(), 1);
        assert_eq!(unreadable[&id.get()].columns[0].column, "created_at");
        sql(&db, "DELETE FROM trades WHERE id > 1").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_leaves_the_texts_of_others_as_they_are() {
    let file = tallybook_testkit::SqliteFile::new("book");
    let db = book(&file.url()).await;
    parents(&db).await;
    sql(&db, "UPDATE trades SET created_at = '2024-01-01T00:00:00.5Z'").await;
    let mut session = db.read().await.unwrap();
    let trade = Trades::new(&mut session).get_page(None, 1).await.unwrap().rows.remove(0);
    assert_eq!(trade.created_at, time(0) + TimeDelta::milliseconds(500));
    let text: Vec<(String,)> = crate::support::rows(&mut session, "SELECT created_at FROM trades").await;
    assert_eq!(text[0].0, "2024-01-01T00:00:00.5Z");
}
