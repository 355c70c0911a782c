//! Databases and templates on the shared server.

use tallybook_testkit::{Database, postgres};
use tokio::sync::oneshot;
use tokio_postgres::{Client, NoTls};

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn run(url: &str, sql: &str) {
    connect(url).await.batch_execute(sql).await.unwrap();
}

async fn count(database: &Database, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    let client = connect(database.url()).await;
    client.query_one(&sql, &[]).await.unwrap().get(0)
}

/// Returns a new name for a template that must not exist: the server may still have those of an earlier run.
fn new_name(text: &str) -> String {
    format!("{text} {}", std::process::id())
}

async fn fill(url: String) {
    run(&url, "CREATE TABLE t AS SELECT generate_series(1, 3)").await;
}

#[tokio::test]
async fn the_shared_server_answers() {
    let database = postgres().await.database("the shared server answers").await;
    let client = connect(database.url()).await;
    let row = client.query_one("SELECT current_database()", &[]).await;
    assert_eq!(row.unwrap().get::<_, &str>(0), database.name());
    assert!(database.name().starts_with("the_shared_server_answers_"));
    assert!(database.url().contains(&format!(":{}/", database.port())));
}

#[tokio::test]
async fn two_databases_of_one_name_are_separate() {
    let server = postgres().await;
    let (one, other) = (server.database("same").await, server.database("same").await);
    run(one.url(), "CREATE TABLE t (id int)").await;
    run(other.url(), "CREATE TABLE t (id int)").await;
    run(one.url(), "INSERT INTO t VALUES (1)").await;
    assert_eq!(count(&one, "t").await, 1);
    assert_eq!(count(&other, "t").await, 0);
}

#[tokio::test]
async fn a_dropped_database_is_gone_even_if_somebody_is_connected() {
    let server = postgres().await;
    let database = server.database("dropped").await;
    let (name, client) = (database.name().to_owned(), connect(database.url()).await);
    drop(database);
    assert!(client.batch_execute("SELECT 1").await.is_err());
    let witness = server.database("witness").await;
    let client = connect(witness.url()).await;
    let sql = "SELECT FROM pg_database WHERE datname = $1";
    assert!(client.query_opt(sql, &[&name]).await.unwrap().is_none());
}

#[tokio::test]
async fn a_template_is_cloned_with_its_rows() {
    let server = postgres().await;
    let template = server.template("cloned", fill).await;
    let database = server.database_from(&template, "clone").await;
    assert_eq!(count(&database, "t").await, 3);
}

#[tokio::test]
async fn a_template_is_built_once_and_its_clones_are_separate() {
    let server = postgres().await;
    server.template("once", fill).await;
    let again = async |_| panic!("it is built already");
    let template = server.template("once", again).await;
    let one = server.database_from(&template, "one").await;
    run(one.url(), "DELETE FROM t").await;
    let other = server.database_from(&template, "other").await;
    assert_eq!(count(&one, "t").await, 0);
    assert_eq!(count(&other, "t").await, 3);
}

#[tokio::test]
async fn a_template_is_built_by_one_of_those_who_ask_at_once() {
    let server = postgres().await;
    let (one, other) = tokio::join!(server.template("at once", fill), server.template("at once", fill),);
    let one = server.database_from(&one, "one").await;
    let other = server.database_from(&other, "other").await;
    assert_eq!(count(&one, "t").await + count(&other, "t").await, 6);
}

#[tokio::test]
async fn a_connection_that_setup_leaves_open_does_no_harm() {
    let server = postgres().await;
    let (keep, kept) = oneshot::channel();
    let setup = async |url: String| {
        fill(url.clone()).await;
        let _ = keep.send(connect(&url).await);
    };
    let template = server.template(&new_name("left open"), setup).await;
    let client = kept.await.unwrap();
    let database = server.database_from(&template, "clone").await;
    assert_eq!(count(&database, "t").await, 3);
    drop(client);
}

#[tokio::test]
async fn a_setup_that_panics_leaves_nothing_in_use() {
    let name = new_name("panicking");
    let same = name.clone();
    let panicking = tokio::spawn(async move {
        let setup = async |url| {
            fill(url).await;
            panic!("on purpose");
        };
        postgres().await.template(&same, setup).await
    });
    assert!(panicking.await.unwrap_err().is_panic());

    let server = postgres().await;
    let template = server.template(&name, fill).await;
    let database = server.database_from(&template, "clone").await;
    assert_eq!(count(&database, "t").await, 3);
}
