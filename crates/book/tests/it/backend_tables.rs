//! The tables of a real back end that are not the book's, declared by revisions and compared with what Alembic made.

use tallybook::book::{ALEMBIC, REVISIONS, migrator};
use tallybook::migrate::{Column, Migrator, Revision, Step, Target, Type};
use tallybook::{Database, Dialect};
use tallybook_testkit::{alembic, both_dialects, run_script};

const AGENT_CONFIGS: &[Column] = &[
    Column::new("id", Type::Id),
    Column::new("name", Type::Varchar(255)),
    Column::new("agent_type", Type::Varchar(50)),
    Column::new("llm_provider", Type::Varchar(50)),
    Column::new("llm_model", Type::Varchar(100)),
    Column::new("temperature", Type::Float),
    Column::new("max_tokens", Type::Integer).null(),
    Column::new("config_json", Type::Text).null(),
    Column::new("is_active", Type::Boolean),
    Column::new("created_at", Type::Timestamp),
    Column::new("updated_at", Type::Timestamp),
    Column::new("description", Type::Varchar(1000)).null(),
    Column::new("metadata_json", Type::Text).null(),
    Column::new("role", Type::Varchar(50)).default("'analyst'"),
    Column::new("llm_type", Type::Varchar(20)).default("'quick'"),
    Column::new("prompt_template", Type::Text).null(),
    Column::new("capabilities_json", Type::Text).null(),
    Column::new("required_tools_json", Type::Text).null(),
    Column::new("requires_memory", Type::Boolean).default_per_dialect("false", "'false'"),
    Column::new("memory_name", Type::Varchar(100)).null(),
    Column::new("is_reserved", Type::Boolean).default_per_dialect("true", "'true'"),
    Column::new("slot_name", Type::Varchar(50)).null(),
    Column::new("version", Type::Varchar(20)).default("'1.0.0'"),
];

const AGENT_LLM_CONFIGS: &[Column] = &[
    Column::new("id", Type::Id),
    Column::new("agent_id", Type::Integer).references("agent_configs"),
    Column::new("provider", Type::Varchar(50)),
    Column::new("model_name", Type::Varchar(100)),
    Column::new("temperature", Type::Float),
    Column::new("max_tokens", Type::Integer).null(),
    Column::new("top_p", Type::Float).null(),
    Column::new("api_key_encrypted", Type::Varchar(500)).null(),
    Column::new("fallback_provider", Type::Varchar(50)).null(),
    Column::new("fallback_model", Type::Varchar(100)).null(),
    Column::new("cost_per_1k_input_tokens", Type::Float),
    Column::new("cost_per_1k_output_tokens", Type::Float),
    Column::new("enabled", Type::Boolean),
    Column::new("created_at", Type::Timestamp),
    Column::new("updated_at", Type::Timestamp),
    Column::new("metadata_json", Type::Text).null(),
];

const USERS: &[Column] = &[
    Column::new("id", Type::Id),
    Column::new("username", Type::Varchar(50)),
    Column::new("email", Type::Varchar(255)),
    Column::new("hashed_password", Type::Varchar(255)),
    Column::new("full_name", Type::Varchar(255)).null(),
    Column::new("role", Type::Other { postgres: "userrole", sqlite: "VARCHAR(6)" }),
    Column::new("is_active", Type::Boolean),
    Column::new("is_superuser", Type::Boolean),
    Column::new("created_at", Type::Timestamp),
    Column::new("updated_at", Type::Timestamp),
    Column::new("last_login_at", Type::Timestamp).null(),
];

const API_KEYS: &[Column] = &[
    Column::new("id", Type::Id),
    Column::new("key", Type::Varchar(255)),
    Column::new("name", Type::Varchar(255)),
    Column::new("user_id", Type::Integer).references("users"),
    Column::new("is_active", Type::Boolean),
    Column::new("created_at", Type::Timestamp),
    Column::new("expires_at", Type::Timestamp).null(),
    Column::new("last_used_at", Type::Timestamp).null(),
];

const AUDIT_LOGS: &[Column] = &[
    Column::new("id", Type::Id),
    Column::new("user_id", Type::Integer).null().references("users"),
    Column::new("action", Type::Varchar(100)),
    Column::new("resource_type", Type::Varchar(100)).null(),
    Column::new("resource_id", Type::Varchar(255)).null(),
    Column::new("details", Type::Text).null(),
    Column::new("ip_address", Type::Varchar(50)).null(),
    Column::new("user_agent", Type::Varchar(500)).null(),
    Column::new("status", Type::Varchar(20)),
    Column::new("created_at", Type::Timestamp),
];

const RISK_METRICS: &[Column] = &[
    Column::new("id", Type::Id),
    Column::new("portfolio_id", Type::Integer).references("portfolios"),
    Column::new("session_id", Type::Integer).null().references("trading_sessions"),
    Column::new("var_1day_95", Type::Float).null(),
    Column::new("var_1day_99", Type::Float).null(),
    Column::new("var_5day_95", Type::Float).null(),
    Column::new("var_5day_99", Type::Float).null(),
    Column::new("portfolio_value", Type::Float),
    Column::new("portfolio_volatility", Type::Float).null(),
    Column::new("sharpe_ratio", Type::Float).null(),
    Column::new("max_drawdown", Type::Float).null(),
    Column::new("largest_position_weight", Type::Float).null(),
    Column::new("top5_concentration", Type::Float).null(),
    Column::new("number_of_positions", Type::Integer),
    Column::new("total_exposure", Type::Float),
    Column::new("long_exposure", Type::Float),
    Column::new("short_exposure", Type::Float),
    Column::new("net_exposure", Type::Float),
    Column::new("market_beta", Type::Float).null(),
    Column::new("correlation_to_spy", Type::Float).null(),
    Column::new("measured_at", Type::Timestamp),
    Column::new("metadata_json", Type::Text).null(),
];

const RUN_LOGS: &[Column] = &[
    Column::new("id", Type::Id),
    Column::new("session_id", Type::Varchar(255)),
    Column::new("run_type", Type::Varchar(50)),
    Column::new("status", Type::Varchar(20)),
    Column::new("symbols", Type::Varchar(500)).null(),
    Column::new("start_date", Type::Timestamp).null(),
    Column::new("end_date", Type::Timestamp).null(),
    Column::new("started_at", Type::Timestamp),
    Column::new("completed_at", Type::Timestamp).null(),
    Column::new("duration_seconds", Type::Float).null(),
    Column::new("result_summary", Type::Text).null(),
    Column::new("error_message", Type::Text).null(),
    Column::new("total_trades", Type::Integer).null(),
    Column::new("successful_trades", Type::Integer).null(),
    Column::new("total_pnl", Type::Float).null(),
    Column::new("agent_config_snapshot", Type::Text).null(),
    Column::new("metadata_json", Type::Text).null(),
];

const VENDOR_CONFIGS: &[Column] = &[
    Column::new("id", Type::Id),
    Column::new("name", Type::Varchar(255)),
    Column::new("vendor_type", Type::Varchar(50)),
    Column::new("provider", Type::Varchar(100)),
    Column::new("api_endpoint", Type::Varchar(500)).null(),
    Column::new("api_key_ref", Type::Varchar(255)).null(),
    Column::new("config_json", Type::Text).null(),
    Column::new("rate_limit_per_minute", Type::Integer).null(),
    Column::new("rate_limit_per_day", Type::Integer).null(),
    Column::new("is_active", Type::Boolean),
    Column::new("created_at", Type::Timestamp),
    Column::new("updated_at", Type::Timestamp),
    Column::new("description", Type::Varchar(1000)).null(),
    Column::new("metadata_json", Type::Text).null(),
];

const BACKEND: Revision = Revision::new(
    "backend",
    "the back end's tables",
    &[
        Step::table("agent_configs", AGENT_CONFIGS),
        Step::index("ix_agent_configs_agent_type", "agent_configs", &["agent_type"]),
        Step::index("ix_agent_configs_is_active", "agent_configs", &["is_active"]),
        Step::unique_index("ix_agent_configs_name", "agent_configs", &["name"]),
        Step::index("ix_agent_configs_role", "agent_configs", &["role"]),
        Step::index("ix_agent_configs_slot_name", "agent_configs", &["slot_name"]),
        Step::table("agent_llm_configs", AGENT_LLM_CONFIGS),
        Step::index("ix_agent_llm_configs_agent_id", "agent_llm_configs", &["agent_id"]),
        Step::index("ix_agent_llm_configs_enabled", "agent_llm_configs", &["enabled"]),
        Step::index("ix_agent_llm_configs_provider", "agent_llm_configs", &["provider"]),
        Step::table("users", USERS),
        Step::unique_index("ix_users_email", "users", &["email"]),
        Step::unique_index("ix_users_username", "users", &["username"]),
        Step::table("api_keys", API_KEYS),
        Step::unique_index("ix_api_keys_key", "api_keys", &["key"]),
        Step::table("audit_logs", AUDIT_LOGS),
        Step::index("ix_audit_logs_action", "audit_logs", &["action"]),
        Step::index("ix_audit_logs_created_at", "audit_logs", &["created_at"]),
        Step::table("risk_metrics", RISK_METRICS),
        Step::index("ix_risk_metrics_measured_at", "risk_metrics", &["measured_at"]),
        Step::index("ix_risk_metrics_portfolio_id", "risk_metrics", &["portfolio_id"]),
        Step::index("ix_risk_metrics_session_id", "risk_metrics", &["session_id"]),
        Step::table("run_logs", RUN_LOGS),
        Step::index("ix_run_logs_run_type", "run_logs", &["run_type"]),
        Step::index("ix_run_logs_session_id", "run_logs", &["session_id"]),
        Step::index("ix_run_logs_started_at", "run_logs", &["started_at"]),
        Step::index("ix_run_logs_status", "run_logs", &["status"]),
        Step::table("vendor_configs", VENDOR_CONFIGS),
        Step::index("ix_vendor_configs_is_active", "vendor_configs", &["is_active"]),
        Step::unique_index("ix_vendor_configs_name", "vendor_configs", &["name"]),
        Step::index("ix_vendor_configs_vendor_type", "vendor_configs", &["vendor_type"]),
    ],
);

pub(crate) fn all() -> Vec<Revision> {
    REVISIONS.iter().copied().chain([BACKEND]).collect()
}

/// Opens a database that Alembic made, adopted by the book, with the back end's tables taken over.
pub(crate) async fn taken_over(url: &str) -> Database {
    alembic(url, "5951c803aff7").await;
    // A duplicate, which would be a difference.
    run_script(url, "DELETE FROM positions WHERE id = 3").await;
    let db = crate::support::open(url).await;
    migrator(&db).adopt(ALEMBIC).await.unwrap();
    let changes = Migrator::new(&db, &all()).upgrade(&Target::Head).await.unwrap();
    assert_eq!(changes.iter().map(|change| change.id).collect::<Vec<_>>(), ["0003", "backend"]);
    db
}

/// Returns the differences, each with whether it blocks.
async fn differences(db: &Database) -> Vec<(bool, String)> {
    let found = Migrator::new(db, &all()).check().await.unwrap();
    found.iter().map(|one| (one.is_blocking(), one.to_string())).collect()
}

both_dialects! {
    async fn tables_that_alembic_made_are_taken_over_without_a_difference(url: &str) {
        let db = taken_over(url).await;
        assert_eq!(differences(&db).await, []);
    }

    async fn another_type_and_another_length_are_named(url: &str) {
        let db = taken_over(url).await;
        match db.dialect() {
            Dialect::Postgres => {
                run_script(
                    url,
                    "SET search_path = public; ALTER TABLE run_logs ALTER total_pnl TYPE real; \
                     ALTER TABLE audit_logs ALTER status TYPE varchar(10);",
                )
                .await;
                assert_eq!(differences(&db).await, [
                    (true, "audit_logs, column status: expected character varying(20), found character varying(10) (too short)".to_owned()),
                    (true, "run_logs, column total_pnl: expected double precision, found real (keeps six digits)".to_owned()),
                ]);
            }
            Dialect::Sqlite => {
                run_script(
                    url,
                    "ALTER TABLE run_logs DROP COLUMN total_pnl; ALTER TABLE run_logs ADD COLUMN total_pnl TEXT; \
                     ALTER TABLE audit_logs DROP COLUMN ip_address; ALTER TABLE audit_logs ADD COLUMN ip_address VARCHAR(10);",
                )
                .await;
                assert_eq!(differences(&db).await, [
                    (false, "audit_logs, column ip_address: expected VARCHAR(50), found VARCHAR(10)".to_owned()),
                    (true, "run_logs, column total_pnl: expected FLOAT, found TEXT".to_owned()),
                ]);
            }
        }
    }

    async fn another_default_is_named(url: &str) {
        let db = taken_over(url).await;
        let (sql, found) = match db.dialect() {
            Dialect::Postgres => (
                "ALTER TABLE public.agent_configs ALTER llm_type SET DEFAULT 'slow'",
                "'slow'::character varying",
            ),
            Dialect::Sqlite => (
                "ALTER TABLE agent_configs DROP COLUMN llm_type; \
                 ALTER TABLE agent_configs ADD COLUMN llm_type VARCHAR(20) DEFAULT 'slow' NOT NULL",
                "'slow' (compared as text: SQLite has no normal form)",
            ),
        };
        run_script(url, sql).await;
        let expected = format!("agent_configs, default of llm_type: expected 'quick', found {found}");
        assert_eq!(differences(&db).await, [(true, expected)]);
    }

    async fn an_index_of_some_rows_is_not_one_of_all(url: &str) {
        let db = taken_over(url).await;
        let partial = match db.dialect() {
            Dialect::Postgres => "CREATE INDEX ix_vendor_configs_vendor_type ON public.vendor_configs USING btree (vendor_type) WHERE is_active",
            Dialect::Sqlite => "CREATE INDEX ix_vendor_configs_vendor_type ON vendor_configs (vendor_type) WHERE is_active",
        };
        let drop = match db.dialect() {
            Dialect::Postgres => "DROP INDEX public.ix_vendor_configs_vendor_type",
            Dialect::Sqlite => "DROP INDEX ix_vendor_configs_vendor_type",
        };
        run_script(url, &format!("{drop}; {partial};")).await;
        let expected = format!(
            "vendor_configs, index ix_vendor_configs_vendor_type: \
             expected CREATE INDEX ix_vendor_configs_vendor_type ON vendor_configs (vendor_type), found {partial}"
        );
        assert_eq!(differences(&db).await, [(true, expected)]);
    }
}
