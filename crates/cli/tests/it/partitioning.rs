//! docs/partitioning.md: its statements run as they stand there, on a book in PostgreSQL.

use std::path::Path;

use tallybook_testkit::postgres;
use tokio_postgres::{Client, NoTls};

use crate::support::Program;

/// The SQL of the page, one text a block.
fn blocks() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/partitioning.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = page.split("```sql\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// The only block of the page that has this text.
fn block(text: &str) -> String {
    let mut found: Vec<_> = blocks().into_iter().filter(|block| block.contains(text)).collect();
    assert_eq!(found.len(), 1, "blocks of docs/partitioning.md with {text}");
    found.remove(0)
}

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{error:?}\n{sql}"));
}

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM {sql}"), &[]).await.unwrap().get(0)
}

/// All values of all trades, however they are stored.
async fn trades(client: &Client) -> String {
    let sql = "SELECT md5(string_agg(trades::text, E'\\n' ORDER BY id)) FROM trades";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_book_lives_on_trades_by_month_whose_oldest_month_is_detached_exported_and_attached_again() {
    let database = postgres().await.database("trades_by_month").await;
    let (mut client, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let program = Program::new();
    let tallybook = |words: &str| program.run(&format!("{words} --database {}", database.url()));
    tallybook("migrate upgrade").ok();
    tallybook("seed --portfolios 20 --trades 4000").ok();
    let before = trades(&client).await;

    let change = client.transaction().await.unwrap();
    change.batch_execute(&block("PARTITION BY RANGE")).await.unwrap();
    change.commit().await.unwrap();
    run(&client, "ANALYZE trades").await;
    assert_eq!(trades(&client).await, before);
    assert_eq!(
        count(
            &client,
            "pg_inherits WHERE inhparent = 'trades'::regclass AND inhrelid = 'trades_2024_01'::regclass"
        )
        .await,
        1
    );

    // Programs go on: reads and writes of all kinds, and every figure still follows from its executions.
    let differences = tallybook("migrate check").ok();
    assert_eq!(
        differences,
        "benign: trades, column id: expected primary key, found primary key (id, created_at) of a partitioned table\n\
         benign: executions, key of trade_id: expected REFERENCES trades (id), found nothing: trades is partitioned\n"
    );
    let load = tallybook("bench load --tasks 4 --seconds 1 --writes 50 --json").json();
    assert_eq!(load["errors"], 0, "{load}");
    tallybook("check book").ok();
    run(&client, &block("trades_2027_05")).await;

    let open = block("trades_2024_01 WHERE status");
    run(&client, "UPDATE trades_2024_01 SET status = 'CANCELLED' WHERE status NOT IN ('EXPIRED', 'FILLED', 'REJECTED')").await;
    assert!(client.query(&open, &[]).await.unwrap().is_empty());
    let (month, rest) = (count(&client, "trades_2024_01").await, count(&client, "trades").await);
    assert!(month > 0 && rest > month);

    run(&client, &block("CREATE SCHEMA archive")).await;
    let archive = format!("{}?options=-csearch_path%3Darchive", database.url());
    program.run(&format!("migrate upgrade --database {archive}")).ok();
    run(&client, &block("CONCURRENTLY;")).await;
    run(&client, &block("DROP TABLE archive.trades")).await;
    assert_eq!(count(&client, "trades").await, rest - month);
    program.run(&format!("export trades month.csv --database {archive}")).ok();
    assert_eq!(program.read("month.csv").lines().count() as i64, month + 1);
    let unbalanced = tallybook("check book");
    assert_eq!(unbalanced.code, 3, "{}", unbalanced.err);
    assert!(unbalanced.out.contains("orphan_execution"), "{}", unbalanced.out);

    run(&client, &block("ATTACH PARTITION")).await;
    assert_eq!(count(&client, "trades").await, rest);
    tallybook("check book").ok();
}
