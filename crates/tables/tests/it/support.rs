//! Helpers that all cases use.

use chrono::{DateTime, Utc};
use tallybook::migrate::{Migrator, Target};
use tallybook::tables::{Id, Repository, Result, Table};
use tallybook::{Database, Row, Settings, Statement, WriteSession, execute, params};
use uuid::Uuid;

use crate::schema::{NewDesk, NewFill, NewOrder, NewVenue, Order, REVISIONS, State, Venue};

pub(crate) async fn open(url: &str) -> Database {
    Database::open(Settings::new(url).unwrap()).await.unwrap()
}

/// Opens a database with the tables of the schema, empty.
pub(crate) async fn desks(url: &str) -> Database {
    let db = open(url).await;
    Migrator::new(&db, REVISIONS).upgrade(&Target::Head).await.unwrap();
    db
}

/// Runs a transaction that succeeds.
pub(crate) async fn write<T>(db: &Database, work: impl AsyncFnOnce(&mut WriteSession) -> Result<T>) -> T {
    db.write(work).await.unwrap().into_value()
}

/// Creates a row.
pub(crate) async fn create<T: Table>(db: &Database, new: &T::New) -> T {
    write(db, async |session| Repository::<_, T>::new(session).create(new).await).await
}

/// Executes a statement of the test's own.
pub(crate) async fn sql(db: &Database, statement: impl Into<Statement>) {
    let statement = execute(statement, params![]);
    write(db, async |session| Ok(session.run(statement).await?)).await;
}

/// Bulk loads rows with their identifiers.
pub(crate) async fn load<T: Table + Row>(session: &mut WriteSession, rows: &[T]) {
    let mut repository = Repository::<_, T>::new(session);
    let mut load = repository.bulk_load(None).await.unwrap();
    for row in rows {
        load.write(row).await.unwrap();
    }
    assert_eq!(load.finish().await.unwrap(), rows.len() as u64);
}

/// Returns the time this many seconds after the beginning of 2024.
pub(crate) fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_704_067_200 + seconds, 0).unwrap()
}

/// Returns a desk, which no other number gives.
pub(crate) fn desk(number: i64) -> NewDesk {
    NewDesk {
        region: format!("R{}", number / 10),
        code: format!("C{}", number % 10),
        name: format!("desk {number}"),
        seats: i32::try_from(number).unwrap(),
        tickets: number * 1_000_000_000_000,
        capital: "12.5000000001".parse().unwrap(),
        note: (number % 2 == 0).then(|| "even".to_owned()),
        updated_at: time(0),
    }
}

/// Returns an order of no desk.
pub(crate) fn order(number: i64) -> NewOrder {
    NewOrder {
        desk_id: None,
        replaces_id: None,
        state: State::Open,
        quantity: number,
        placed_at: time(number),
    }
}

/// Returns a fill of an order.
pub(crate) fn fill(order: Option<Id<Order>>, cents: i64) -> NewFill {
    NewFill { order_id: order, venue_id: None, cents, filled_at: time(cents) }
}

pub(crate) fn venue_id(number: u128) -> Id<Venue, Uuid> {
    // Neither bytes nor texts are in the order of the numbers.
    Id::new(Uuid::from_u128(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)))
}

pub(crate) fn venue(number: u128) -> NewVenue {
    NewVenue { id: venue_id(number), name: format!("venue {number}"), lots: 1 }
}
