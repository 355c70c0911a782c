//! The routes, each with its budget: the statements that one request may run, and its round trips.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post, put};
use tallybook::book::{
    Execution, Portfolio, PortfolioWithRelations, Position, Trade, TradeWithExecutions, TradingSession,
};
use tallybook::{Database, prometheus};

use super::agents::{AgentConfig, AgentLlmConfig, AgentWithModels};
use super::api::{creates, deletes, load, reads, updates, upsert};
use super::audit::AuditLog;
use super::book::{PortfolioBook, transfer};
use super::budget::Within;
use super::managers::PortfolioManager;
use super::risk_metrics::{PortfolioWithRisk, RiskMetric};
use super::run_logs::{self, RunLog};
use super::settlements::{Settlement, SettlementOfTrade};
use super::users::{ApiKey, User, UserWithAccess, revoke};
use super::vendor_configs::VendorConfig;

pub(crate) fn router(db: Database) -> Router {
    Router::new()
        .merge(book())
        .merge(desk())
        .merge(agents())
        .route("/metrics", get(metrics).within(0, 0))
        .with_state(db)
}

/// The tables of the book, and what refers to them.
fn book() -> Router<Database> {
    Router::new()
        .merge(reads::<Portfolio>("/portfolios"))
        .merge(creates::<Portfolio>("/portfolios"))
        .merge(updates::<Portfolio>("/portfolios/{id}"))
        .merge(deletes::<Portfolio>("/portfolios/{id}"))
        .route("/portfolios/{id}/book", get(load::<PortfolioBook>).within(4, 1))
        .route("/portfolios/{id}/relations", get(load::<PortfolioWithRelations>).within(4, 1))
        .route("/portfolios/{id}/risk", get(load::<PortfolioWithRisk>).within(3, 1))
        .merge(reads::<Position>("/positions"))
        .merge(creates::<Position>("/positions"))
        .merge(updates::<Position>("/positions/{id}"))
        .merge(deletes::<Position>("/positions/{id}"))
        .merge(reads::<Trade>("/trades"))
        .merge(creates::<Trade>("/trades"))
        .merge(updates::<Trade>("/trades/{id}"))
        .route("/trades/{id}/executions", get(load::<TradeWithExecutions>).within(2, 1))
        .merge(reads::<Execution>("/executions"))
        .merge(creates::<Execution>("/executions"))
        .merge(reads::<TradingSession>("/trading_sessions"))
        .merge(creates::<TradingSession>("/trading_sessions"))
        .merge(reads::<RiskMetric>("/risk_metrics"))
        .merge(creates::<RiskMetric>("/risk_metrics"))
        .merge(reads::<Settlement>("/settlements"))
        .merge(creates::<Settlement>("/settlements"))
        .route("/settlements/{id}/trade", get(load::<SettlementOfTrade>).within(3, 1))
        // Six statements a try, ten tries at most.
        .route("/transfers", post(transfer).within(60, 60))
}

/// The people of the desk and what they did.
fn desk() -> Router<Database> {
    Router::new()
        .merge(reads::<User>("/users"))
        .merge(creates::<User>("/users"))
        .merge(updates::<User>("/users/{id}"))
        .merge(deletes::<User>("/users/{id}"))
        .route("/users/{id}/access", get(load::<UserWithAccess>).within(4, 1))
        .merge(reads::<ApiKey>("/api_keys"))
        .merge(creates::<ApiKey>("/api_keys"))
        .route("/api_keys/{id}/revoke", post(revoke).within(2, 2))
        .merge(reads::<PortfolioManager>("/portfolio_managers"))
        .route("/portfolio_managers", put(upsert::<PortfolioManager>).within(2, 2))
        .merge(deletes::<PortfolioManager>("/portfolio_managers/{id}"))
        .merge(reads::<AuditLog>("/audit_logs"))
}

/// The agents, their runs, and the vendors of their data.
fn agents() -> Router<Database> {
    Router::new()
        .merge(reads::<AgentConfig>("/agent_configs"))
        .merge(creates::<AgentConfig>("/agent_configs"))
        .merge(updates::<AgentConfig>("/agent_configs/{id}"))
        .route("/agent_configs/{id}/models", get(load::<AgentWithModels>).within(2, 1))
        .merge(creates::<AgentLlmConfig>("/agent_llm_configs"))
        .merge(updates::<AgentLlmConfig>("/agent_llm_configs/{id}"))
        .merge(reads::<RunLog>("/run_logs"))
        .merge(creates::<RunLog>("/run_logs"))
        .route("/run_logs/{id}/end", post(run_logs::end).within(2, 2))
        .merge(reads::<VendorConfig>("/vendor_configs"))
        .route("/vendor_configs", put(upsert::<VendorConfig>).within(2, 2))
}

/// Returns the metrics of the database layer as a page for Prometheus.
async fn metrics(State(db): State<Database>) -> String {
    prometheus(&db.metrics())
}
