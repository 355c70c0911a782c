//! Helpers that all cases use.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tallybook::book::{Repository, Result, Table, upgrade};
use tallybook::{Database, Session, Settings, WriteSession};
use tallybook::{Row, Statement, Value, all, execute, params};

pub(crate) async fn open(url: &str) -> Database {
    Database::open(Settings::new(url).unwrap()).await.unwrap()
}

/// Opens a database with the book's tables, empty.
pub(crate) async fn book(url: &str) -> Database {
    let db = open(url).await;
    upgrade(&db).await.unwrap();
    db
}

/// Runs a transaction that succeeds.
pub(crate) async fn write<T>(db: &Database, work: impl AsyncFnOnce(&mut WriteSession) -> Result<T>) -> T {
    db.write(work).await.unwrap().into_value()
}

/// Executes a statement of the test's own.
pub(crate) async fn sql(db: &Database, statement: impl Into<Statement>) {
    let statement = execute(statement, params![]);
    write(db, async |session| Ok(session.run(statement).await?)).await;
}

/// Returns the result of a query of the test's own.
pub(crate) async fn rows<T: Row>(session: &mut impl Session, statement: impl Into<Statement>) -> Vec<T> {
    session.fetch(all(statement, params![])).await.unwrap()
}

/// Bulk loads rows; the database assigns the identifiers 1, 2, 3, … in an empty table.
pub(crate) async fn load<T: Table<Key = i64>>(
    session: &mut WriteSession,
    rows: impl IntoIterator<Item = T::New>,
) {
    let columns: Vec<_> = T::New::COLUMNS.iter().map(|column| column.name).collect();
    let mut repository = Repository::<_, T>::new(session);
    let mut load = repository.bulk_load(Some(&columns)).await.unwrap();
    for row in rows {
        load.write(&row).await.unwrap();
    }
    load.finish().await.unwrap();
}

/// Refreshes the planner's statistics.
pub(crate) async fn analyze(db: &Database) {
    sql(db, "ANALYZE").await;
}

/// Returns the values of a row by column.
pub(crate) fn fields<T: Row>(row: &T) -> Vec<(&'static str, Value)> {
    T::COLUMNS.iter().map(|column| column.name).zip(row.encode().unwrap()).collect()
}

/// Returns the time this many seconds after the beginning of 2024.
pub(crate) fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_704_067_200 + seconds, 0).unwrap()
}

pub(crate) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Calls a generic case for each of the five tables.
macro_rules! for_each_table {
    ($case:ident($($argument:expr),*)) => {
        $case::<tallybook::book::Portfolio>($($argument),*).await;
        $case::<tallybook::book::Position>($($argument),*).await;
        $case::<tallybook::book::TradingSession>($($argument),*).await;
        $case::<tallybook::book::Trade>($($argument),*).await;
        $case::<tallybook::book::Execution>($($argument),*).await;
    };
}

pub(crate) use for_each_table;
