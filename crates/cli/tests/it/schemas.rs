//! A book that stands in another schema than the one that the URL leads to.

use tallybook_testkit::{Database, postgres};
use tokio_postgres::{Client, NoTls};

use crate::support::Program;

/// A database with a book in the schema `desk`, and a session of its owner.
async fn with_desk(name: &str) -> (Database, Client) {
    let database = postgres().await.database(name).await;
    let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("CREATE SCHEMA desk").await.unwrap();
    let url = format!("{}?options=-csearch_path%3Ddesk", database.url());
    Program::new().run(&format!("migrate upgrade --database {url}")).ok();
    (database, client)
}

async fn tables_of_public(client: &Client) -> i64 {
    let sql = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_says_in_which_schema_the_book_is_and_makes_no_second_one() {
    let (database, client) = with_desk("schemas_elsewhere").await;
    let program = Program::new();
    program.write("trades.csv", "id\n");
    for command in [
        "migrate check",
        "migrate plan",
        "migrate current",
        "migrate history",
        "migrate upgrade",
        "migrate adopt",
        "migrate adopt --dry-run",
        "export trades",
        "import trades trades.csv",
        "seed --portfolios 1 --trades 1",
        "demo --portfolios 1 --trades 1",
    ] {
        let error = program.run(&format!("{command} --database {}", database.url())).fails(1);
        assert!(error.contains("its tables are in the schema \"desk\""), "{command}: {error}");
        assert!(error.contains("?options=-csearch_path%3Ddesk"), "{command}: {error}");
        assert!(!error.contains("migrate upgrade"), "{command}: {error}");
        assert_eq!(tables_of_public(&client).await, 0, "{command}");
    }
    let told = program.run(&format!("doctor --json --database {}", database.url()));
    let told: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    let findings = told["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["check"] == "revisions").unwrap();
    assert_eq!(finding["severity"], "critical");
    let text = finding.to_string();
    assert!(text.contains("?options=-csearch_path%3Ddesk") && !text.contains("migrate upgrade"), "{text}");
    let url = format!("{}?options=-csearch_path%3Ddesk", database.url());
    program.run(&format!("migrate check --database {url}")).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_book_that_alembic_made_elsewhere_is_found_too() {
    let (database, client) = with_desk("schemas_alembic").await;
    client
        .batch_execute(
            "SET search_path = desk; DROP TABLE tallybook_revisions, tallybook_steps, tallybook_events, tallybook_pending; \
             CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY); \
             INSERT INTO alembic_version VALUES ('5951c803aff7')",
        )
        .await
        .unwrap();
    let program = Program::new();
    for command in ["migrate upgrade", "migrate adopt", "migrate check"] {
        let error = program.run(&format!("{command} --database {}", database.url())).fails(1);
        assert!(
            error.contains("desk") && error.contains("?options=-csearch_path%3Ddesk"),
            "{command}: {error}"
        );
    }
    assert_eq!(tables_of_public(&client).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_book_is_made_where_the_url_names_its_schema() {
    let (database, client) = with_desk("schemas_second").await;
    let program = Program::new();
    let both = format!("{}?options=-csearch_path%3Dpublic,desk", database.url());
    let error = program.run(&format!("migrate upgrade --database {both}")).fails(1);
    assert!(error.contains("would hide"), "{error}");
    assert_eq!(tables_of_public(&client).await, 0);
    let error = program.run(&format!("migrate upgrade --database {}", database.url())).fails(1);
    assert!(error.contains("?options=-csearch_path%3Dpublic"), "{error}");
    let url = format!("{}?options=-csearch_path%3Dpublic", database.url());
    assert!(program.run(&format!("migrate current --database {url}")).ok().starts_with("base"));
    program.run(&format!("migrate upgrade --database {url}")).ok();
    // Now the tables are there, whatever the URL says.
    program.run(&format!("migrate check --database {}", database.url())).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_others_with_one_of_the_names_are_no_book() {
    let database = postgres().await.database("schemas_others").await;
    let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("CREATE SCHEMA other; CREATE TABLE other.trades (id int)").await.unwrap();
    Program::new().run(&format!("migrate upgrade --database {}", database.url())).ok();
}
