//! The table `run_logs`: the runs of the agents.

use axum::Json;
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use tallybook::tables::{Id, Table};
use tallybook::{Database, now};

use super::audit::Actor;
use super::consistency::Written;
use super::failure::Failure;
use super::listing::{Listed, listed};

#[derive(Clone, Debug, PartialEq, Serialize, Table)]
#[table(name = "run_logs", noun = "run", order = started_at, new = NewRunLog, changes = RunLogChanges, repository = RunLogs, serde)]
pub(crate) struct RunLog {
    pub(crate) id: Id<RunLog>,
    /// A text that the runner chooses, and no trading session.
    #[table(max = 255, fixed)]
    pub(crate) session_id: String,
    #[table(max = 50, fixed)]
    pub(crate) run_type: String,
    #[table(max = 20)]
    pub(crate) status: String,
    #[table(max = 500)]
    pub(crate) symbols: Option<String>,
    pub(crate) start_date: Option<DateTime<Utc>>,
    pub(crate) end_date: Option<DateTime<Utc>>,
    #[table(fixed, default = "now")]
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    pub(crate) duration_seconds: Option<f64>,
    pub(crate) result_summary: Option<String>,
    pub(crate) error_message: Option<String>,
    pub(crate) total_trades: Option<i32>,
    pub(crate) successful_trades: Option<i32>,
    pub(crate) total_pnl: Option<Decimal>,
    pub(crate) agent_config_snapshot: Option<String>,
    pub(crate) metadata_json: Option<String>,
}

listed!(RunLog {
    session_id: String => "session_id = $1",
    run_type: String => "run_type = $1",
    status: String => "status = $1",
});

/// Records the end of a run. The body has its status and its figures.
pub(crate) async fn end(
    State(db): State<Database>,
    Path(id): Path<Id<RunLog>>,
    actor: Actor,
    Json(result): Json<RunLogChanges>,
) -> Result<Written<RunLog>, Failure> {
    let ended = db.write(async |session| -> Result<RunLog, Failure> {
        let run = RunLogs::new(session).update(id, result.completed_at(now())).await?;
        actor.log(session, "end", &run).await?;
        Ok(run)
    });
    Ok(ended.await?.into())
}
