use serde_json::Value;
use tallybook::book::migrator;
use tallybook::migrate::Migrator;
use tallybook::{Database, Settings};
use tallybook_testkit::{both_dialects, postgres, run_script};

use crate::backend::revisions;
use crate::program::Program;

both_dialects! {
    async fn two_histories_make_fifteen_tables_as_they_declare_them(url: &str) {
        let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
        revisions::upgrade(&db).await.unwrap();
        assert_eq!(migrator(&db).check().await.unwrap(), []);
        let own = Migrator::named(&db, revisions::HISTORY, revisions::REVISIONS);
        assert_eq!(own.check().await.unwrap(), []);
        assert_eq!(own.current().await.unwrap(), Some("0002"));
        revisions::upgrade(&db).await.unwrap(); // nothing is left to do
    }

    async fn all_lists_are_empty_at_first_and_metrics_count_them(url: &str) {
        let service = Program::start(url);
        let tables = [
            "portfolios", "positions", "trades", "executions", "trading_sessions", "risk_metrics", "settlements", "users",
            "api_keys", "portfolio_managers", "audit_logs", "agent_configs", "run_logs", "vendor_configs",
        ];
        for table in tables {
            let page = service.get(&format!("/{table}")).await;
            assert_eq!(page.to_string(), r#"{"next":null,"rows":[]}"#, "{table}");
        }
        let metrics = service.send("GET", "/metrics", &[], &Value::Null).await;
        assert!(metrics.status == 200 && metrics.body.contains("db_client_connection_max"), "{}", metrics.body);
        service.send("GET", "/alembic_version", &[], &Value::Null).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_key_that_is_gone_is_found() {
    let database = postgres().await.database("primary_key").await;
    let db = Database::open(Settings::new(database.url()).unwrap()).await.unwrap();
    revisions::upgrade(&db).await.unwrap();
    run_script(database.url(), "ALTER TABLE settlements DROP CONSTRAINT settlements_pkey").await;
    let own = Migrator::named(&db, revisions::HISTORY, revisions::REVISIONS);
    let found: Vec<_> = own.check().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(found, ["settlements, column id: expected primary key, found none"]);
}
