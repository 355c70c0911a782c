//! Messages to PostgreSQL, counted by a proxy: the reported counts are true. Each test has one thread. With
//! two, a busy machine may send the first part of a batch and receive its answer before the rest is ready.

use std::time::Duration;

use tallybook::{Database, One, Row, Settings, all, execute, one, params};
use tallybook_testkit::{Proxy, postgres};

use crate::support::{open, write};

#[derive(Row)]
struct Note {
    id: i64,
    title: String,
}

/// A database through a proxy, with one connection that has not prepared the statements of the tests.
async fn through_proxy(name: &str) -> (tallybook_testkit::Database, Proxy, Database) {
    let database = postgres().await.database(name).await;
    write(&open(database.url()).await, "CREATE TABLE notes (id bigint PRIMARY KEY, title varchar(40))").await;
    let proxy = Proxy::counting_turns(database.port()).await;
    let mut settings = Settings::new(&proxy.url(database.url())).unwrap();
    // A server whose session is held for a second, on a busy machine, is asked how it is: turns of another connection.
    settings.replica.check_interval = Duration::from_secs(3_600);
    let db = Database::open(settings).await.unwrap();
    assert!(proxy.turns() > 0, "the proxy is in between");
    (database, proxy, db)
}

type Three = (One<(i64,)>, One<(i64, String)>, One<(f64,)>);

fn batch() -> Three {
    (
        one("SELECT count(*) FROM notes", params![]),
        one("SELECT $1 + count(*), $2 FROM notes", params![1, "text"]),
        one("SELECT $1 * 2 FROM notes RIGHT JOIN (SELECT 1) AS one ON true", params![0.5]),
    )
}

#[tokio::test]
async fn a_batch_is_one_turn_from_its_first_use_on() {
    let (_database, proxy, db) = through_proxy("a_batch_is_one_turn").await;
    let mut session = db.read().await.unwrap();
    assert_eq!(proxy.turns(), 0, "a connection that was just used is not pinged");
    for time in ["cold", "warm", "warm again"] {
        let (count, both, double) = session.run(batch()).await.unwrap();
        assert_eq!((count, both, double), ((0,), (1, "text".to_owned()), (1.0,)));
        assert_eq!(proxy.turns(), 1, "{time}");
    }
    assert_eq!(session.counts().round_trips, 3);
}

#[tokio::test]
async fn a_single_statement_is_one_turn_from_its_first_use_on() {
    let (_database, proxy, db) = through_proxy("a_single_statement").await;
    let mut session = db.read().await.unwrap();
    for time in ["cold", "warm"] {
        session.run(batch().1).await.unwrap();
        assert_eq!(proxy.turns(), 1, "{time}");
    }
    // Releasing an idle session sends nothing.
    drop(session);
    let mut session = db.snapshot().await.unwrap();
    session.run(batch()).await.unwrap();
    assert_eq!(proxy.turns(), 1, "BEGIN rides along");
}

#[tokio::test]
async fn a_write_transaction_is_a_turn_for_each_batch_and_one_to_commit() {
    let (_database, proxy, db) = through_proxy("a_write_transaction").await;
    let insert = |id: i64| execute("INSERT INTO notes VALUES ($1, $2)", params![id, "title"]);
    for ids in [1..=10, 11..=20] {
        let mut session = db.begin().await.unwrap();
        session.run(ids.map(insert).collect::<Vec<_>>()).await.unwrap();
        assert_eq!(proxy.turns(), 1, "BEGIN rides along");
        session.run(one::<(i64,)>("SELECT count(*) FROM notes", params![])).await.unwrap();
        assert_eq!(proxy.turns(), 1);
        let counts = session.counts();
        assert_eq!((counts.statements, counts.round_trips, counts.rows), (11, 2, 11));
        session.commit().await.unwrap();
        assert_eq!(proxy.turns(), 1);
    }
}

#[tokio::test]
async fn a_bulk_load_counts_its_turns() {
    let (_database, proxy, db) = through_proxy("a_bulk_load_counts").await;
    let mut session = db.begin().await.unwrap();
    let mut load = session.load("notes", &["id", "title"]).await.unwrap();
    for id in 1..=5_000 {
        load.write(&Note { id, title: format!("note {id}") }).await.unwrap();
    }
    assert_eq!(load.finish().await.unwrap(), 5_000);
    let counts = session.counts();
    assert_eq!((counts.statements, counts.rows), (1, 5_000));
    assert_eq!(proxy.turns() as u64, counts.round_trips);
}

#[tokio::test]
async fn statements_that_left_the_cache_are_one_turn_again() {
    let (_database, proxy, db) = through_proxy("statements_that_left").await;
    let mut session = db.read().await.unwrap();
    // More texts than a connection keeps.
    let texts: Vec<_> = (0..300)
        .map(|number| all::<(i64,)>(format!("SELECT {number} + count(*) FROM notes"), params![]))
        .collect();
    assert_eq!(session.run(texts).await.unwrap().len(), 300);
    assert_eq!(proxy.turns(), 1);
    session.run(all::<(i64,)>("SELECT 0 + count(*) FROM notes", params![])).await.unwrap();
    assert_eq!(proxy.turns(), 1);
}
