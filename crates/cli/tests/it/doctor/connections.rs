//! Nodes that are not reached, or not as they should be.

use std::net::TcpListener;
use std::time::Duration;

use tallybook_testkit::{CertificateAuthority, Cluster, PgBouncer, postgres};
use tokio_postgres::{Client, NoTls};

use super::{connect, doctor, doctor_of, doctor_with, sql};
use crate::support::Program;

#[test]
fn a_server_that_refuses_is_critical_and_says_where_to_look() {
    let report = doctor("postgresql://ada:Secret@127.0.0.1:1/d");
    assert_eq!(report.code, 4);
    report.has("critical", "connection", "connection refused", "pg_isready -h 127.0.0.1 -p 1");
    assert_eq!(report.of("connection")[0]["nodes"][0], "127.0.0.1:1");
    assert!(!report.all.contains("Secret"), "{}", report.all);
}

#[test]
fn servers_that_say_nothing_are_looked_at_at_the_same_time() {
    let silent = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [one, two, three] = silent.each_ref().map(|listener| listener.local_addr().unwrap());
    let hosts = format!("postgresql://ada:Secret@{one},{two}/d");
    let report = doctor_of(&hosts, &[&format!("postgresql://ada@{three}/d")]);
    let silent = report.of("connection");
    assert_eq!(silent.len(), 3, "{}", report.all);
    report.has("critical", "connection", "does not answer within 3 s", "pg_isready");
    assert!(!report.all.contains("Secret"), "{}", report.all);
}

#[test]
fn a_host_without_an_address_is_told_of() {
    doctor("postgresql://ada@nowhere.invalid/d").has(
        "critical",
        "connection",
        "",
        "getent hosts nowhere.invalid",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_a_missing_database_and_an_unknown_user_each_have_their_advice() {
    let database = postgres().await.database("doctor_refused").await;
    let (port, name) = (database.port(), database.name());
    let report = doctor(&format!("postgresql://tallybook:Secret@127.0.0.1:{port}/{name}"));
    report.has(
        "critical",
        "connection",
        "password authentication failed",
        "correct the password in DATABASE_URL",
    );
    assert!(!report.all.contains("Secret"), "{}", report.all);
    let report = doctor(&database.url().replace(name, "nowhere"));
    report.has("critical", "connection", "database \"nowhere\" does not exist", "createdb -h 127.0.0.1");
    let report = doctor(&format!("postgresql://nobody:Secret@127.0.0.1:{port}/{name}"));
    report.has("critical", "connection", "password authentication failed for user \"nobody\"", "");
    assert!(!report.all.contains("Secret"), "{}", report.all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_or_is_shut_down_is_told_of() {
    let cluster = Cluster::start().unwrap();
    let url = cluster.url("postgres");
    cluster.hang().unwrap();
    doctor(&url).has("critical", "connection", "does not answer within 3 s", "T is stopped");
    cluster.resume().unwrap();
    doctor(&url).passed("connection");
    cluster.shut_down().unwrap();
    doctor(&url).has("critical", "connection", "connection refused", "systemctl status postgresql");
}

#[tokio::test(flavor = "multi_thread")]
async fn encryption_is_a_fact_and_a_certificate_that_is_not_trusted_a_finding() {
    let authority = CertificateAuthority::new().unwrap();
    let cluster = Cluster::start_with_tls(&authority).unwrap();
    let url = cluster.url("postgres");
    let report = doctor(&format!("{url}?sslmode=require"));
    assert!(report.told["nodes"][0]["facts"]["tls"].as_str().unwrap().starts_with("TLSv1"), "{}", report.all);
    report.passed("tls");
    let report = doctor(&format!("{url}?sslmode=verify-full"));
    report.has("critical", "connection", "not of an authority that is trusted", "sslrootcert");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_may_not_see_all_is_told_what_was_left_out() {
    let database = postgres().await.database("doctor_rights").await;
    let user = database.name();
    sql(database.url(), &format!("CREATE ROLE \"{user}\" LOGIN PASSWORD 'Secret'")).await;
    let url = format!("postgresql://{user}:Secret@127.0.0.1:{}/{user}", database.port());
    let report = doctor(&url);
    report.has("note", "rights", "not a member of pg_monitor", "GRANT pg_monitor TO");
    let skipped = report.told["nodes"][0]["skipped"].to_string();
    assert!(skipped.contains("transactions") && skipped.contains("standbys"), "{skipped}");
    assert!(!report.all.contains("Secret"), "{}", report.all);
    sql(database.url(), &format!("GRANT pg_monitor TO \"{user}\"")).await;
    doctor(&url).passed("rights");
    sql(database.url(), &format!("DROP ROLE \"{user}\"")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_is_noted() {
    let database = postgres().await.database("doctor_superuser").await;
    doctor(database.url()).has("note", "rights", "superuser tallybook", "CREATE ROLE");
}

#[tokio::test(flavor = "multi_thread")]
async fn pools_that_are_larger_than_the_server_allows_are_told_of() {
    let database = postgres().await.database("doctor_pool").await;
    let variables = [("DATABASE_URL", database.url()), ("DB_POOL_SIZE", "200"), ("DB_MAX_OVERFLOW", "200")];
    let report = doctor_with(&Program::new(), &variables);
    report.has("warning", "pool", "can take 400 connections", "max_connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_run_out_are_told_of_and_then_refused() {
    let cluster = Cluster::start().unwrap();
    let url = cluster.url("postgres");
    sql(&url, "ALTER SYSTEM SET max_connections = 10").await;
    cluster.restart_immediately().unwrap();
    sql(&url, "CREATE ROLE plain LOGIN PASSWORD 'Secret'").await;
    let plain = format!("postgresql://plain:Secret@127.0.0.1:{}/postgres", cluster.port());
    let mut taken = Vec::new();
    for _ in 0..6 {
        taken.push(connect(&plain).await);
    }
    doctor(&plain).has("critical", "connections", "of the 7 connections", "pg_stat_activity");
    taken.push(connect_in_time(&plain).await);
    let report = doctor(&plain);
    report.has("critical", "connection", "connection", "DB_POOL_SIZE");
    assert!(!report.all.contains("Secret"), "{}", report.all);
}

/// The doctor's own connection may take a moment to be gone.
async fn connect_in_time(url: &str) -> Client {
    for _ in 0..500 {
        if let Ok((client, connection)) = tokio_postgres::connect(url, NoTls).await {
            tokio::spawn(connection);
            return client;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no connection comes free");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_in_between_is_told_of_and_one_that_moves_sessions_is_critical() {
    let database = postgres().await.database("doctor_pooler").await;
    doctor(database.url()).passed("pooler");
    let pooler = PgBouncer::start(database.url(), "");
    let report = doctor(&pooler.url(database.url()));
    report.has("note", "pooler", "a pooler, such as PgBouncer, stands between", "pool_mode = session");
    assert_eq!(report.of("connection").len(), 0, "{}", report.all);
    let pooler = PgBouncer::start(database.url(), "pool_mode = transaction");
    let report = doctor(&pooler.url(database.url()));
    report.has("critical", "connection", "set `pool_mode = session`", "pg_isready");
    assert_eq!(report.code, 4, "{}", report.all);
}
