//! Declarations of tables against revisions and databases: those of the book, and those of a real back end beside it.

use chrono::{DateTime, Utc};
use tallybook::book::{Execution, Portfolio, Position, REVISIONS, Trade, TradingSession};
use tallybook::check::{self, Findings};
use tallybook::tables::{Declaration, Id, Table};
use tallybook::{Database, Decode, TextEnum};
use tallybook_testkit::both_dialects;

use crate::backend_tables::{all, taken_over};
use crate::support::book;

#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "agent_configs", new = NewAgentConfig, changes = AgentConfigChanges)]
struct AgentConfig {
    id: Id<AgentConfig>,
    #[table(max = 255, unique)]
    name: String,
    #[table(max = 50)]
    agent_type: String,
    #[table(max = 50)]
    llm_provider: String,
    #[table(max = 100)]
    llm_model: String,
    temperature: f64,
    max_tokens: Option<i64>,
    config_json: Option<String>,
    is_active: bool,
    created_at: DateTime<Utc>,
    #[table(touch)]
    updated_at: DateTime<Utc>,
    #[table(max = 1000)]
    description: Option<String>,
    metadata_json: Option<String>,
    #[table(max = 50, generated)]
    role: String,
    #[table(max = 20, generated)]
    llm_type: String,
    prompt_template: Option<String>,
    capabilities_json: Option<String>,
    required_tools_json: Option<String>,
    #[table(generated)]
    requires_memory: bool,
    #[table(max = 100)]
    memory_name: Option<String>,
    #[table(generated)]
    is_reserved: bool,
    #[table(max = 50)]
    slot_name: Option<String>,
    #[table(max = 20, generated)]
    version: String,
}

#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "agent_llm_configs", new = NewAgentLlmConfig, changes = AgentLlmConfigChanges)]
struct AgentLlmConfig {
    id: Id<AgentLlmConfig>,
    #[table(fixed)]
    agent_id: Id<AgentConfig>,
    #[table(max = 50)]
    provider: String,
    #[table(max = 100)]
    model_name: String,
    temperature: f64,
    max_tokens: Option<i64>,
    top_p: Option<f64>,
    #[table(max = 500)]
    api_key_encrypted: Option<String>,
    #[table(max = 50)]
    fallback_provider: Option<String>,
    #[table(max = 100)]
    fallback_model: Option<String>,
    cost_per_1k_input_tokens: f64,
    cost_per_1k_output_tokens: f64,
    enabled: bool,
    created_at: DateTime<Utc>,
    #[table(touch)]
    updated_at: DateTime<Utc>,
    metadata_json: Option<String>,
}

#[derive(Clone, Debug, PartialEq, TextEnum)]
#[text_enum(pg_enum)]
enum UserRole {
    #[text = "ADMIN"]
    Admin,
    #[text = "TRADER"]
    Trader,
    #[text = "VIEWER"]
    Viewer,
}

#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "users", new = NewUser, changes = UserChanges)]
struct User {
    id: Id<User>,
    #[table(max = 50, unique)]
    username: String,
    #[table(max = 255, unique)]
    email: String,
    #[table(max = 255)]
    hashed_password: String,
    #[table(max = 255)]
    full_name: Option<String>,
    role: UserRole,
    is_active: bool,
    is_superuser: bool,
    created_at: DateTime<Utc>,
    #[table(touch)]
    updated_at: DateTime<Utc>,
    last_login_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "api_keys", new = NewApiKey, changes = ApiKeyChanges)]
struct ApiKey {
    id: Id<ApiKey>,
    #[table(max = 255, unique)]
    key: String,
    #[table(max = 255)]
    name: String,
    #[table(fixed)]
    user_id: Id<User>,
    is_active: bool,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "audit_logs", order = created_at, new = NewAuditLog)]
struct AuditLog {
    id: Id<AuditLog>,
    user_id: Option<Id<User>>,
    #[table(max = 100)]
    action: String,
    #[table(max = 100)]
    resource_type: Option<String>,
    #[table(max = 255)]
    resource_id: Option<String>,
    details: Option<String>,
    #[table(max = 50)]
    ip_address: Option<String>,
    #[table(max = 500)]
    user_agent: Option<String>,
    #[table(max = 20)]
    status: String,
    created_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "risk_metrics", order = measured_at, new = NewRiskMetric)]
struct RiskMetric {
    id: Id<RiskMetric>,
    portfolio_id: Id<Portfolio>,
    session_id: Option<Id<TradingSession>>,
    var_1day_95: Option<f64>,
    var_1day_99: Option<f64>,
    var_5day_95: Option<f64>,
    var_5day_99: Option<f64>,
    portfolio_value: f64,
    portfolio_volatility: Option<f64>,
    sharpe_ratio: Option<f64>,
    max_drawdown: Option<f64>,
    largest_position_weight: Option<f64>,
    top5_concentration: Option<f64>,
    number_of_positions: i64,
    total_exposure: f64,
    long_exposure: f64,
    short_exposure: f64,
    net_exposure: f64,
    market_beta: Option<f64>,
    correlation_to_spy: Option<f64>,
    measured_at: DateTime<Utc>,
    metadata_json: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "run_logs", order = started_at, new = NewRunLog, changes = RunLogChanges)]
struct RunLog {
    id: Id<RunLog>,
    #[table(max = 255)]
    session_id: String,
    #[table(max = 50)]
    run_type: String,
    #[table(max = 20)]
    status: String,
    #[table(max = 500)]
    symbols: Option<String>,
    start_date: Option<DateTime<Utc>>,
    end_date: Option<DateTime<Utc>>,
    started_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    duration_seconds: Option<f64>,
    result_summary: Option<String>,
    error_message: Option<String>,
    total_trades: Option<i64>,
    successful_trades: Option<i64>,
    total_pnl: Option<f64>,
    agent_config_snapshot: Option<String>,
    metadata_json: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "vendor_configs", new = NewVendorConfig, changes = VendorConfigChanges)]
struct VendorConfig {
    id: Id<VendorConfig>,
    #[table(max = 255, unique)]
    name: String,
    #[table(max = 50)]
    vendor_type: String,
    #[table(max = 100)]
    provider: String,
    #[table(max = 500)]
    api_endpoint: Option<String>,
    #[table(max = 255)]
    api_key_ref: Option<String>,
    config_json: Option<String>,
    rate_limit_per_minute: Option<i64>,
    rate_limit_per_day: Option<i64>,
    is_active: bool,
    created_at: DateTime<Utc>,
    #[table(touch)]
    updated_at: DateTime<Utc>,
    #[table(max = 1000)]
    description: Option<String>,
    metadata_json: Option<String>,
}

fn backend() -> [Declaration; 8] {
    [
        Declaration::of::<AgentConfig>(),
        Declaration::of::<AgentLlmConfig>(),
        Declaration::of::<User>(),
        Declaration::of::<ApiKey>(),
        Declaration::of::<AuditLog>(),
        Declaration::of::<RiskMetric>(),
        Declaration::of::<RunLog>(),
        Declaration::of::<VendorConfig>(),
    ]
}

/// The relations that Alembic made without an index, each with the step that the check prints.
const WITHOUT_INDEX: [&str; 2] = [
    "api_keys.user_id Step::index(\"ix_api_keys_user_id\", \"api_keys\", &[\"user_id\"])",
    "audit_logs.user_id Step::index(\"ix_audit_logs_user_id\", \"audit_logs\", &[\"user_id\"])",
];

/// Returns the column and the first step of each problem.
fn steps(findings: &Findings) -> Vec<String> {
    let step = |finding: &check::Finding| {
        let column = finding.column.as_deref().unwrap_or_default();
        format!(
            "{}.{column} {}",
            finding.table,
            finding.steps.first().map_or(finding.found.as_str(), |step| step)
        )
    };
    findings.problems().map(step).collect()
}

async fn found(db: &Database, declarations: &[Declaration]) -> Findings {
    check::database(db, declarations).await.unwrap()
}

#[test]
fn the_books_tables_fit_its_revisions() {
    tallybook::check!(REVISIONS; Portfolio, Position, Trade, Execution, TradingSession);
}

#[test]
fn the_back_ends_tables_fit_its_revisions_but_for_two_indexes() {
    let findings = check::revisions(&all(), &backend());
    assert_eq!(steps(&findings), WITHOUT_INDEX);
    assert_eq!(findings.notes().count(), 0);
    assert_eq!(<UserRole as Decode>::SQL_TYPE, tallybook::SqlType::Enum);
}

both_dialects! {
    async fn the_books_tables_fit_a_new_database(url: &str) {
        let db = book(url).await;
        tallybook::check!(REVISIONS, db; Portfolio, Position, Trade, Execution, TradingSession);
    }

    async fn all_tables_fit_a_database_that_alembic_made(url: &str) {
        let db = taken_over(url).await;
        tallybook::check!(REVISIONS, db; Portfolio, Position, Trade, Execution, TradingSession);
        let findings = found(&db, &backend()).await;
        assert_eq!(steps(&findings), WITHOUT_INDEX, "{findings}");
        assert_eq!(findings.notes().count(), 0, "{findings}");
        crate::support::sql(&db, "CREATE INDEX ix_api_keys_user_id ON api_keys (user_id)").await;
        crate::support::sql(&db, "CREATE INDEX ix_audit_logs_user_id ON audit_logs (user_id)").await;
        assert_eq!(found(&db, &backend()).await.to_string(), "0 problems, 0 notes");
    }
}
