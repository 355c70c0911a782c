//! Databases that Alembic made, taken over and handed back.

use tallybook::engine::migrate::{Goal, Severity};
use tallybook::engine::{Engine, Statement};
use tallybook::{ALEMBIC, Database, migrator};
use tallybook_testkit::{both_engines, postgres};

use crate::catalog::catalog;
use crate::support::{open, rows, sql};

/// The chain, oldest first.
const CHAIN: [&str; 6] = [
    "ac7a9a8391bc",
    "plugin_agent_fields",
    "add_trading_session_risk",
    "add_auth_tables",
    "c1e38cfe113f",
    "5951c803aff7",
];

const TABLES: [&str; 4] = [
    "CREATE TABLE portfolios (id INTEGER NOT NULL, name VARCHAR(255) NOT NULL, description VARCHAR(1000), \
     initial_capital FLOAT NOT NULL, current_capital FLOAT NOT NULL, currency VARCHAR(3) NOT NULL, created_at DATETIME \
     NOT NULL, updated_at DATETIME NOT NULL, metadata_json TEXT, PRIMARY KEY (id))",
    "CREATE TABLE positions (id INTEGER NOT NULL, portfolio_id INTEGER NOT NULL, symbol VARCHAR(20) NOT NULL, quantity \
     FLOAT NOT NULL, average_cost FLOAT NOT NULL, current_price FLOAT NOT NULL, unrealized_pnl FLOAT NOT NULL, \
     realized_pnl FLOAT NOT NULL, position_type VARCHAR(10) NOT NULL, entry_date DATETIME, created_at DATETIME NOT NULL, \
     updated_at DATETIME NOT NULL, metadata_json TEXT, PRIMARY KEY (id), \
     FOREIGN KEY(portfolio_id) REFERENCES portfolios (id))",
    "CREATE TABLE trades (id INTEGER NOT NULL, portfolio_id INTEGER NOT NULL, symbol VARCHAR(20) NOT NULL, action \
     VARCHAR(10) NOT NULL, quantity FLOAT NOT NULL, order_type VARCHAR(20) NOT NULL, limit_price FLOAT, stop_price FLOAT, \
     status VARCHAR(20) NOT NULL, filled_quantity FLOAT NOT NULL, average_fill_price FLOAT, created_at DATETIME NOT NULL, \
     updated_at DATETIME NOT NULL, filled_at DATETIME, decision_rationale TEXT, confidence_score FLOAT, metadata_json \
     TEXT, PRIMARY KEY (id), FOREIGN KEY(portfolio_id) REFERENCES portfolios (id))",
    "CREATE TABLE executions (id INTEGER NOT NULL, trade_id INTEGER NOT NULL, symbol VARCHAR(20) NOT NULL, quantity FLOAT \
     NOT NULL, price FLOAT NOT NULL, execution_type VARCHAR(20) NOT NULL, commission FLOAT NOT NULL, fees FLOAT NOT NULL, \
     exchange VARCHAR(50), execution_id VARCHAR(100), executed_at DATETIME NOT NULL, metadata_json TEXT, PRIMARY KEY \
     (id), UNIQUE (execution_id), FOREIGN KEY(trade_id) REFERENCES trades (id))",
];

const SESSIONS: &str = "CREATE TABLE trading_sessions (id INTEGER NOT NULL, portfolio_id INTEGER NOT NULL, session_type \
     VARCHAR(20) NOT NULL, status VARCHAR(20) NOT NULL, name VARCHAR(255), description VARCHAR(1000), max_position_size \
     FLOAT, max_portfolio_exposure FLOAT, stop_loss_percentage FLOAT, take_profit_percentage FLOAT, starting_capital \
     FLOAT NOT NULL, current_capital FLOAT NOT NULL, total_pnl FLOAT NOT NULL, total_trades INTEGER NOT NULL, \
     winning_trades INTEGER NOT NULL, losing_trades INTEGER NOT NULL, started_at DATETIME NOT NULL, stopped_at DATETIME, \
     metadata_json TEXT, PRIMARY KEY (id), FOREIGN KEY(portfolio_id) REFERENCES portfolios (id))";

const INDEXES: [(&str, &[&str]); 3] = [
    ("positions", &["portfolio_id", "symbol"]),
    ("trades", &["created_at", "portfolio_id", "status", "symbol"]),
    ("executions", &["executed_at", "symbol", "trade_id"]),
];

const OPTIMISED: [&str; 4] = [
    "CREATE INDEX ix_trades_session_id ON trades (session_id)",
    "CREATE INDEX ix_positions_portfolio_symbol ON positions (portfolio_id, symbol)",
    "CREATE INDEX ix_trades_portfolio_status ON trades (portfolio_id, status)",
    "CREATE INDEX ix_trades_portfolio_created ON trades (portfolio_id, created_at)",
];

/// In the words of the engine.
async fn run(db: &Database, text: &str) {
    let text = match db.engine() {
        Engine::Postgres => {
            text.replace("id INTEGER NOT NULL,", "id SERIAL NOT NULL,").replace("DATETIME", "TIMESTAMP")
        }
        Engine::Sqlite => text.to_owned(),
    };
    // Only the table's own `id` counts up.
    let text = text.replace("_id SERIAL", "_id INTEGER");
    sql(db, text).await;
}

/// A database as Alembic leaves it at a version, with rows.
async fn made_by_alembic(url: &str, version: &str) -> Database {
    let db = open(url).await;
    let at = CHAIN.iter().position(|id| *id == version).unwrap();
    for table in TABLES {
        run(&db, table).await;
    }
    sql(&db, "CREATE UNIQUE INDEX ix_portfolios_name ON portfolios (name)").await;
    for (table, columns) in INDEXES {
        index(&db, table, columns).await;
    }
    for other in ["agent_configs", "run_logs", "vendor_configs"] {
        run(&db, &format!("CREATE TABLE {other} (id INTEGER NOT NULL, note TEXT, PRIMARY KEY (id))")).await;
    }
    if at >= 2 {
        run(&db, SESSIONS).await;
        index(&db, "trading_sessions", &["portfolio_id", "session_type", "started_at", "status"]).await;
        run(
            &db,
            "CREATE TABLE risk_metrics (id INTEGER NOT NULL, portfolio_id INTEGER NOT NULL, session_id INTEGER, \
             PRIMARY KEY (id), FOREIGN KEY(portfolio_id) REFERENCES portfolios (id) ON DELETE CASCADE, \
             FOREIGN KEY(session_id) REFERENCES trading_sessions (id))",
        )
        .await;
    }
    let later: &[(usize, &[&str])] =
        &[(3, &["users", "api_keys", "audit_logs"]), (4, &["agent_llm_configs"])];
    for other in later.iter().filter(|(from, _)| at >= *from).flat_map(|(_, names)| *names) {
        run(&db, &format!("CREATE TABLE {other} (id INTEGER NOT NULL, note TEXT, PRIMARY KEY (id))")).await;
    }
    if at >= 5 {
        sql(
            &db,
            "ALTER TABLE trades ADD COLUMN session_id INTEGER CONSTRAINT fk_trades_session_id REFERENCES \
             trading_sessions (id)",
        )
        .await;
        for text in OPTIMISED {
            sql(&db, text).await;
        }
    }
    sql(&db, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)").await;
    sql(&db, format!("INSERT INTO alembic_version VALUES ('{version}')")).await;
    fill(&db, at >= 2).await;
    db
}

async fn index(db: &Database, table: &str, columns: &[&str]) {
    for column in columns {
        sql(db, format!("CREATE INDEX ix_{table}_{column} ON {table} ({column})")).await;
    }
}

async fn fill(db: &Database, with_risk: bool) {
    let now = "'2024-01-02 03:04:05'";
    sql(db, format!("INSERT INTO portfolios VALUES (1, 'one', NULL, 1, 1, 'USD', {now}, {now}, NULL)")).await;
    for id in 1..=3 {
        sql(
            db,
            format!(
                "INSERT INTO trades (id, portfolio_id, symbol, action, quantity, order_type, status, filled_quantity, \
                 created_at, updated_at) VALUES ({id}, 1, 'AAPL', 'BUY', 1, 'MARKET', 'PENDING', 0, {now}, {now})"
            ),
        )
        .await;
        sql(
            db,
            format!(
                "INSERT INTO executions (id, trade_id, symbol, quantity, price, execution_type, commission, fees, \
                 executed_at) VALUES ({id}, {id}, 'AAPL', 1, 1, 'FILL', 0, 0, {now})"
            ),
        )
        .await;
    }
    if with_risk {
        sql(db, "INSERT INTO risk_metrics (id, portfolio_id) VALUES (1, 1)").await;
    }
}

/// The half-applied state: the column is there; its key and the indexes are not.
async fn half_applied(url: &str) -> Database {
    let db = made_by_alembic(url, "c1e38cfe113f").await;
    sql(&db, "ALTER TABLE trades ADD COLUMN session_id INTEGER").await;
    db
}

/// What the catalog says of tables that are not the book's.
async fn others(db: &Database) -> Vec<String> {
    let lines = catalog(&mut db.read().await.unwrap()).await;
    let names = ["agent_", "run_logs", "vendor_", "risk_", "users", "api_keys", "audit_", "alembic_"];
    lines.into_iter().filter(|line| names.iter().any(|name| line.contains(name))).collect()
}

async fn counts(db: &Database) -> (i64, i64) {
    let query = "SELECT (SELECT count(*) FROM trades), (SELECT count(*) FROM executions)";
    rows::<(i64, i64)>(&mut db.read().await.unwrap(), query).await[0]
}

const BROKEN: Statement = Statement::per_engine(
    "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated",
    "SELECT count(*) FROM pragma_foreign_key_check",
);

async fn refused(db: &Database) -> String {
    let before = catalog(&mut db.read().await.unwrap()).await;
    let error = migrator(db).adopt(ALEMBIC).await.unwrap_err();
    assert!(error.is_revision(), "{error}");
    assert_eq!(catalog(&mut db.read().await.unwrap()).await, before, "nothing was changed");
    error.to_string()
}

async fn assert_whole(db: &Database) {
    let differences = migrator(db).check().await.unwrap();
    assert!(differences.iter().all(|difference| !difference.is_blocking()), "{differences:?}");
    assert_eq!(rows::<(i64,)>(&mut db.read().await.unwrap(), BROKEN).await, [(0,)]);
    assert_eq!(counts(db).await, (3, 3));
}

macro_rules! adopts {
    ($($name:ident: $version:literal;)*) => {
        both_engines! {$(
            async fn $name(url: &str) {
                let db = made_by_alembic(url, $version).await;
                let before = others(&db).await;
                let found = migrator(&db).adoption(ALEMBIC).await.unwrap();
                assert!(!found.is_blocked() && !found.recorded, "{found:?}");
                assert_eq!(migrator(&db).current().await.unwrap(), None, "it only looked");
                migrator(&db).adopt(ALEMBIC).await.unwrap();
                migrator(&db).upgrade(&Goal::Head).await.unwrap();
                assert_whole(&db).await;
                assert_eq!(others(&db).await, before, "what is not the book's stays as it was");
                // The way back is as safe where the tables are another tool's.
                migrator(&db).downgrade(&Goal::Steps(-1)).await.unwrap();
                migrator(&db).upgrade(&Goal::Head).await.unwrap();
                assert_whole(&db).await;
                assert_eq!(others(&db).await, before);
            }
        )*}
    };
}

adopts! {
    the_first_version_is_adopted: "ac7a9a8391bc";
    the_version_of_plugins_is_adopted: "plugin_agent_fields";
    the_version_of_sessions_is_adopted: "add_trading_session_risk";
    the_version_of_users_is_adopted: "add_auth_tables";
    the_version_of_models_is_adopted: "c1e38cfe113f";
    the_optimised_version_is_adopted: "5951c803aff7";
}

both_engines! {
    async fn the_half_applied_state_is_repaired_by_the_upgrade(url: &str) {
        let db = half_applied(url).await;
        let before = others(&db).await;
        let found = migrator(&db).adopt(ALEMBIC).await.unwrap();
        assert_eq!(found.revision, Some("0001"));
        let column = found.differences.iter().find(|difference| difference.part == "column session_id").unwrap();
        assert_eq!(column.severity, Severity::AlreadyApplied);
        migrator(&db).upgrade(&Goal::Head).await.unwrap();
        assert_whole(&db).await;
        assert_eq!(others(&db).await, before);
    }

    async fn two_versions_are_refused(url: &str) {
        let db = made_by_alembic(url, "c1e38cfe113f").await;
        sql(&db, "INSERT INTO alembic_version VALUES ('5951c803aff7')").await;
        let error = refused(&db).await;
        assert!(error.contains("5951c803aff7, c1e38cfe113f"), "{error}");
    }

    async fn an_unknown_version_is_refused_with_those_that_are_known(url: &str) {
        let db = made_by_alembic(url, "c1e38cfe113f").await;
        sql(&db, "UPDATE alembic_version SET version_num = 'feedc0ffee'").await;
        let error = refused(&db).await;
        assert!(error.contains("feedc0ffee") && error.contains("5951c803aff7"), "{error}");
    }

    async fn a_missing_index_is_named(url: &str) {
        let db = made_by_alembic(url, "c1e38cfe113f").await;
        sql(&db, "DROP INDEX ix_trades_symbol").await;
        let error = refused(&db).await;
        assert!(error.contains("CREATE INDEX ix_trades_symbol ON trades (symbol), found nothing"), "{error}");
    }

    async fn a_column_of_another_type_is_named(url: &str) {
        let db = made_by_alembic(url, "c1e38cfe113f").await;
        sql(&db, "ALTER TABLE trades ADD COLUMN session_id TEXT").await;
        let error = refused(&db).await;
        assert!(error.contains("trades, column session_id"), "{error}");
    }

    async fn a_database_that_alembic_did_not_make_is_refused(url: &str) {
        let db = open(url).await;
        let error = refused(&db).await;
        assert!(error.contains("alembic_version"), "{error}");
    }

    async fn a_released_database_is_alembics_again_and_can_be_adopted_again(url: &str) {
        let db = made_by_alembic(url, "c1e38cfe113f").await;
        migrator(&db).adopt(ALEMBIC).await.unwrap();
        migrator(&db).upgrade(&Goal::Head).await.unwrap();
        assert_eq!(migrator(&db).release(ALEMBIC).await.unwrap(), "5951c803aff7");
        let held = rows::<(String,)>(&mut db.read().await.unwrap(), "SELECT version_num FROM alembic_version").await;
        assert_eq!(held, [("5951c803aff7".to_owned(),)]);
        assert_eq!(migrator(&db).current().await.unwrap(), None);
        assert_eq!(migrator(&db).adopt(ALEMBIC).await.unwrap().revision, Some("0002"));
    }

    async fn a_release_that_no_version_fits_is_refused(url: &str) {
        let db = made_by_alembic(url, "add_trading_session_risk").await;
        migrator(&db).adopt(ALEMBIC).await.unwrap();
        migrator(&db).upgrade(&Goal::Head).await.unwrap();
        let error = migrator(&db).release(ALEMBIC).await.unwrap_err().to_string();
        assert!(error.contains("missing: users, api_keys, audit_logs"), "{error}");
        assert_eq!(migrator(&db).current().await.unwrap(), Some("0002"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_other_than_public_is_adopted_once_the_url_names_it() {
    let database = postgres().await.database("another_schema").await;
    let public = open(database.url()).await;
    sql(&public, "CREATE SCHEMA \"Desk\"").await;
    let url = format!("{}?options=-csearch_path%3D%22Desk%22", database.url());
    let db = made_by_alembic(&url, "c1e38cfe113f").await;
    let error = refused(&public).await;
    assert!(error.contains("\"Desk\"") && error.contains("search_path"), "{error}");
    migrator(&db).adopt(ALEMBIC).await.unwrap();
    migrator(&db).upgrade(&Goal::Head).await.unwrap();
    assert_whole(&db).await;
    let elsewhere = rows::<(i64,)>(
        &mut public.read().await.unwrap(),
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    )
    .await;
    assert_eq!(elsewhere, [(0,)]);
}
