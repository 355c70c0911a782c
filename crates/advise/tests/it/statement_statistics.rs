//! The workload of a server, from `pg_stat_statements`.

use tallybook::{Database, Settings, all, params};
use tallybook_advise::{Options, advise, workload_of_server};
use tallybook_testkit::{Cluster, SqliteFile};

use crate::market;
use crate::whole::described;

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_any_program_ran_are_planned_for_unknown_parameters() {
    let cluster = Cluster::start().unwrap();
    cluster.configure(&[("shared_preload_libraries", "pg_stat_statements")]).unwrap();
    cluster.restart_immediately().unwrap();
    let url = cluster.url("postgres");
    market::create(&url).await;
    let db = Database::open(Settings::new(&url).unwrap()).await.unwrap();
    let error = workload_of_server(&db).await.unwrap_err();
    assert!(error.to_string().contains("pg_stat_statements"), "{error}");
    market::run(&db, "CREATE EXTENSION pg_stat_statements").await;
    for number in 0..20 {
        let query = all::<(i64,)>("SELECT price FROM orders WHERE account_id = $1", params![number]);
        db.read().await.unwrap().run(query).await.unwrap();
    }

    let workload = workload_of_server(&db).await.unwrap();
    let is_read = |sql: &str| sql == "SELECT price FROM orders WHERE account_id = $1";
    let statement = workload.statements.iter().find(|statement| is_read(&statement.sql)).unwrap();
    assert_eq!((statement.calls, statement.rows, statement.samples.len()), (20, 200, 0));
    let advice = advise(&db, &workload, &Options::default()).await.unwrap();
    let orders: Vec<_> =
        advice.add.iter().map(described).filter(|index| index.starts_with("orders")).collect();
    assert_eq!(orders, ["orders (account_id)"], "{advice:#?}");
    db.close().await;
    cluster.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_has_no_such_statistics() {
    let file = SqliteFile::new("statistics");
    let db = Database::open(Settings::new(&file.url()).unwrap()).await.unwrap();
    let error = workload_of_server(&db).await.unwrap_err();
    assert!(error.to_string().contains("SQLite has no pg_stat_statements"), "{error}");
    db.close().await;
}
