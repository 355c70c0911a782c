//! Rows that refer to rows that do not exist, which other programs can write on SQLite, are an error that names both.

use tallybook::tables::{Aggregate, Error, Id, Repository, Result};
use tallybook::{Database, ReadSession};
use tallybook_testkit::{SqliteFile, both_dialects};

use crate::schema::{Desk, DeskBook, Fill, FillAtVenue, Order, OrderBook, TransferBetween};
use crate::support::{create, desk, desks, order, venue_id};

/// An order that belongs to a desk, although its column may be NULL.
#[derive(Clone, Debug, PartialEq, Aggregate)]
struct OrderOfDesk {
    #[root]
    order: Order,
    #[parent]
    desk: Desk,
}

/// Writes as a program that does not check foreign keys.
fn write_unchecked(file: &SqliteFile, statements: &str) {
    let connection = rusqlite::Connection::open(file.path()).unwrap();
    connection.execute_batch(&format!("PRAGMA foreign_keys = OFF; {statements}")).unwrap();
}

/// Runs a load that fails because of a missing parent.
async fn missing<T: std::fmt::Debug>(
    db: &Database,
    load: impl AsyncFnOnce(&mut ReadSession) -> Result<T>,
) -> Error {
    let error = load(&mut db.read().await.unwrap()).await.unwrap_err();
    assert!(error.is_missing_parent(), "{error}");
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_of_a_missing_parent_is_named_with_it() {
    let file = SqliteFile::new("missing_parents");
    let db = desks(&file.url()).await;
    let desk: Desk = create(&db, &desk(1)).await;
    write_unchecked(
        &file,
        &format!(
            "INSERT INTO orders (id, desk_id, state, quantity, placed_at) VALUES (5, 77, 'OPEN', 1, '2024-01-01 00:00:00');
             INSERT INTO fills (id, order_id, venue_id, cents, filled_at)
             VALUES (6, 5, '{}', 1, '2024-01-01 00:00:00');
             INSERT INTO transfers (id, from_desk_id, to_desk_id, seats, moved_at)
             VALUES (8, 1, 78, 1, '2024-01-01 00:00:00')",
            venue_id(9)
        ),
    );
    let error = missing(&db, async |session| {
        Repository::<_, Order>::new(session).load::<OrderOfDesk>(Id::new(5)).await
    });
    assert!(error.await.to_string().starts_with("desk order 5 refers to desk 77, which does not exist"));
    let error = missing(&db, async |session| {
        Repository::<_, Order>::new(session).load_many::<OrderBook>(&[Id::new(5)]).await
    });
    // The fills of the order are read before its desk is joined.
    assert!(error.await.to_string().contains("does not exist"));
    let error = missing(&db, async |session| {
        Repository::<_, Fill>::new(session).load_of::<FillAtVenue, Order>(Id::new(5)).await
    });
    let expected = format!("fill 6 refers to venue {}, which does not exist", venue_id(9));
    assert!(error.await.to_string().starts_with(&expected));
    let error =
        missing(&db, async |session| Repository::<_, Desk>::new(session).load::<DeskBook>(desk.id).await);
    assert!(error.await.to_string().starts_with("transfer 8 refers to desk 78, which does not exist"));
    let error = missing(&db, async |session| {
        Repository::<_, crate::schema::Transfer>::new(session).load::<TransferBetween>(Id::new(8)).await
    });
    assert!(error.await.to_string().starts_with("transfer 8 refers to desk 78, which does not exist"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_to_a_missing_row_is_named_with_it() {
    let file = SqliteFile::new("missing_links");
    let db = desks(&file.url()).await;
    let order: Order = create(&db, &order(1)).await;
    write_unchecked(&file, "INSERT INTO order_labels (id, order_id, label_id) VALUES (4, 1, 99), (3, 1, 98)");
    let error =
        missing(&db, async |session| Repository::<_, Order>::new(session).load::<OrderBook>(order.id).await);
    // The first that is read: links without a time are ordered by identifier, newest first.
    assert!(error.await.to_string().starts_with("order label 4 refers to label 99, which does not exist"));
}

both_dialects! {
    async fn a_row_without_the_parent_that_its_aggregate_demands_is_refused(url: &str) {
        let db = desks(url).await;
        let alone: Order = create(&db, &order(1)).await;
        let mut session = db.read().await.unwrap();
        let mut orders = Repository::<_, Order>::new(&mut session);
        let error = orders.load::<OrderOfDesk>(alone.id).await.unwrap_err();
        assert!(error.to_string().contains("desk order 1 belongs to no desk; make the field an Option"), "{error}");
        assert!(!error.is_missing_parent());
    }
}
