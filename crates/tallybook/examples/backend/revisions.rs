//! The revisions of this service's tables: a history of their own, named `backend`, beside the book's.

use tallybook::migrate::{Column, DEFAULT_HISTORY, EnumType, Migrator, Revision, Step, Target, Type};
use tallybook::{Database, book};

/// Brings the tables of the book and those of this service to their newest revision.
pub(crate) async fn upgrade(db: &Database) -> book::Result<()> {
    book::upgrade(db).await?;
    Migrator::named(db, HISTORY, REVISIONS).upgrade(&Target::Head).await?;
    Ok(())
}

/// The name of the history.
pub(crate) const HISTORY: &str = "backend";

/// The revisions, oldest first. One that was released is never edited, since databases have it.
pub(crate) const REVISIONS: &[Revision] = &[TABLES, OPTIMISATION];

const USER_ROLE: EnumType = EnumType::new("userrole", &["admin", "trader", "viewer"]);

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
    Column::new("role", Type::Enum(USER_ROLE)),
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

const PORTFOLIO_MANAGERS: &[Column] = &[
    Column::new("id", Type::BigId),
    Column::new("user_id", Type::Integer).references("users"),
    Column::new("portfolio_id", Type::Integer).references("portfolios"),
    Column::new("may_trade", Type::Boolean),
    Column::new("since", Type::Timestamp),
];

const SETTLEMENTS: &[Column] = &[
    Column::new("id", Type::Uuid).primary_key(),
    Column::new("trade_id", Type::Integer).references("trades"),
    Column::new("amount", Type::Numeric(20, 8)),
    Column::new("currency", Type::Varchar(3)),
    Column::new("details", Type::Jsonb),
    Column::new("settled_at", Type::Timestamp),
];

/// The tables, as the service had them under Alembic, and the two that are new. The book's tables come first.
const TABLES: Revision = Revision::new(
    "0001",
    "tables",
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
        Step::enum_type(USER_ROLE),
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
        Step::table("portfolio_managers", PORTFOLIO_MANAGERS),
        Step::unique_index(
            "ix_portfolio_managers_user_portfolio",
            "portfolio_managers",
            &["user_id", "portfolio_id"],
        ),
        Step::index("ix_portfolio_managers_portfolio_id", "portfolio_managers", &["portfolio_id"]),
        Step::table("settlements", SETTLEMENTS),
        Step::index("ix_settlements_trade_settled", "settlements", &["trade_id", "settled_at"]),
        Step::index("ix_settlements_settled_at", "settlements", &["settled_at"]),
    ],
)
.needs(&[(DEFAULT_HISTORY, "0001")]);

/// The indexes by which lists and loads find their rows.
const OPTIMISATION: Revision = Revision::new(
    "0002",
    "optimisation",
    &[
        Step::index("ix_api_keys_user_id", "api_keys", &["user_id"]),
        Step::index("ix_audit_logs_resource", "audit_logs", &["resource_type", "resource_id", "created_at"]),
        Step::index("ix_audit_logs_user_created", "audit_logs", &["user_id", "created_at"]),
        Step::index("ix_risk_metrics_portfolio_measured", "risk_metrics", &["portfolio_id", "measured_at"]),
    ],
);
