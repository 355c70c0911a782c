//! Query monitoring for [Tallybook](https://docs.rs/tallybook): statement times, slow and stuck statements, N+1
//! loops, query budgets, metrics. Depend on `tallybook`, which re-exports the public items of this crate.
//!
//! ```
//! use tallybook::{Budget, Database, Result, Scope, Settings, all, one, params};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<()> {
//! let db = Database::open(Settings::new("sqlite::memory:")?).await?;
//!
//! // A scope sums up everything that one request does, across sessions and tasks.
//! let scope = Scope::new("GET /numbers");
//! scope
//!     .run(async {
//!         let mut session = db.read().await?;
//!         session.run(all::<(i64,)>("SELECT 1 UNION SELECT 2", params![])).await?;
//!         session.run(one::<(i64,)>("SELECT 42", params![])).await
//!     })
//!     .await?;
//! let summary = scope.summary();
//! assert_eq!((summary.statements, summary.round_trips), (2, 2));
//!
//! // A budget checks such a summary.
//! assert!(Budget::new().statements(1).check("GET /numbers", summary).is_err());
//!
//! // A report holds the statistics of every statement since the database was opened.
//! let report = db.report();
//! assert!(report.statements.iter().any(|statement| statement.statement == "select ?"));
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! [`Monitor`] implements `tallybook_core::observe::Observer`: core hands it one recorder for each session, and
//! the recorder is called for every pipeline that is sent, answered, failed or abandoned.
//!
//! **Statistics.** SQL is fingerprinted: literals become `?`, and all statements with the same text share their
//! statistics, as in `pg_stat_statements`. The registry is bounded by `DB_MONITOR_STATEMENTS`; evicted
//! statements keep counting in the totals.
//!
//! **Log.** Slow and failed statements are logged and kept for the [`Report`]. A statement that exceeds the
//! threshold while it runs is reported at once, and the plan of a slow one is captured in the background.
//!
//! **N+1 detection.** A [`Scope`], or a session outside scopes, keeps a bounded history of its statements. When
//! it ends, a group of runs from one line of code is a [`QueryFinding`] if its parameters are keys that an
//! earlier result contained. Foreign keys or column names prove that they belong together.
//!
//! **Metrics.** Statistics and pool states are assembled into OpenTelemetry metrics on demand only.

mod budget;
mod detect;
mod difference;
mod duration_report;
mod export;
mod failure;
mod foreign_keys;
mod interval;
mod log_record;
mod metric_series;
mod monitor;
mod monitor_inner;
mod parameters;
mod plans;
mod recorder;
mod report;
mod report_socket;
mod running;
mod scope;
mod scope_summary;
mod server_attributes;
mod socket;
mod span;
mod statement_event;
mod statement_registry;
mod statement_stats;
mod workload;

pub use budget::{Budget, BudgetExceeded};
pub use detect::{Confidence, QueryFinding, Source, SourceLocation};
pub use duration_report::DurationReport;
pub use interval::Interval;
pub use report::{
    ConnectionHolderReport, EvictedReport, PoolReport, Report, RunningReport, StatementReport, TotalsReport,
};
pub use report_socket::{ReportSocket, ReportSocketError};
pub use scope::Scope;
pub use scope_summary::{CallCount, ScopeCounts, ScopeSummary};
pub use statement_event::StatementEvent;

pub use monitor::Monitor;
pub use workload::{Workload, WorkloadStatement};
// For the facade, which reads plans and foreign keys, and serves the socket.
#[doc(hidden)]
pub use foreign_keys::ForeignKeys;
#[doc(hidden)]
pub use plans::ExplainRequest;
#[doc(hidden)]
pub use socket::{SocketAnswer, SocketRequest, SocketServer, serve};
