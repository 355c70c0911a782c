//! The doctor examines settings and every node they name. It reports what is wrong, where, why it matters and
//! what to do next. It changes nothing.
//!
//! ```
//! use tallybook::Settings;
//! use tallybook_doctor::{Doctor, Severity};
//!
//! # #[tokio::main]
//! # async fn main() -> tallybook::Result<()> {
//! let settings = Settings::new("postgresql://ada:secret@127.0.0.1:1/book")?;
//! let report = Doctor::new(&settings, &[]).examine().await;
//! assert_eq!(report.severity, Severity::Critical);
//!
//! let finding = &report.findings[0];
//! assert_eq!(finding.check, "connection");
//! println!("{}: {}. {}", finding.severity, finding.what, finding.why);
//! for step in &finding.next {
//!     println!("  {step}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # How an examination runs
//!
//! [`Doctor::examine`] checks the settings first. It then connects to all nodes concurrently, one connection each
//! and at most ten seconds a node, and runs the checks of the node's dialect in order. A node that cannot be
//! reached is a [`Finding`] as well, so an examination never fails. At the end the nodes are compared: roles,
//! versions, lag, pools against connection limits.
//!
//! A check that fails (missing rights, a timeout) is a finding and listed under [`Node::skipped`]; a check
//! without findings is listed under [`Node::passed`]. Only a lost connection ends the checks of a node.
//!
//! # Where things live
//!
//! | module | contains |
//! |---|---|
//! | `configuration` | checks of the settings alone, without a connection |
//! | `postgres`, `sqlite` | one file for each check of one node |
//! | `nodes` | checks that compare several nodes |
//! | `revisions` | the check of revisions and schema, for both dialects |
//! | `node`, `probe` | nodes from the settings; the context that a check gets |
//! | `index_review` | what the index advice asks of the same checks |
//! | `outcome`, `node_report` | what becomes of its result; what all checks of a node found and collected |
//! | `units` | formatting of sizes and times, quoting for shells and SQL |
//!
//! # How to write a check
//!
//! One check is one file: one query, one evaluation, one test. This is all of `postgres/prepared.rs`, say:
//!
//! ```ignore
//! //! Check `prepared`: no prepared transaction is forgotten.
//!
//! use tallybook_sql::error::Result;
//! use tallybook_sql::params;
//! use tallybook_sql::query::one;
//!
//! use super::server::Server;
//! use crate::finding::Finding;
//! use crate::probe::Probe;
//!
//! pub(super) const NAME: &str = "prepared";
//!
//! /// Prepared transactions that a busy coordinator has open anyway.
//! const MAX_PREPARED: i64 = 10;
//!
//! const SQL: &str = "SELECT count(*) FROM pg_prepared_xacts";
//!
//! pub(super) async fn check(probe: &mut Probe<'_>, _server: &Server) -> Result<Vec<Finding>> {
//!     let (count,) = probe.fetch(one::<(i64,)>(SQL, params![])).await?;
//!     Ok(evaluate(count).into_iter().collect())
//! }
//!
//! fn evaluate(count: i64) -> Option<Finding> {
//!     if count <= MAX_PREPARED {
//!         return None;
//!     }
//!     let what = format!("{count} prepared transactions are open");
//!     let why = "they keep their locks, and prevent the removal of dead rows";
//!     Some(Finding::warning(NAME, what, why).sql("SELECT * FROM pg_prepared_xacts;"))
//! }
//!
//! #[cfg(test)]
//! mod tests {
//!     use super::*;
//!
//!     #[test]
//!     fn more_than_ten_prepared_transactions_are_a_warning() {
//!         assert!(evaluate(10).is_none());
//!         assert!(evaluate(11).is_some());
//!     }
//! }
//! ```
//!
//! 1. **Name.** `NAME` appears in reports and in users' scripts: choose an English noun, and never change it.
//! 2. **Query.** `check` runs one statement that begins with `SELECT`, in one round trip. It has three seconds.
//!    Several columns decode into a tuple, or into a struct with `#[derive(Row)]`. Return errors with `?`: the
//!    caller turns them into findings. If the check needs to see other users' sessions and `server.sees_all` is
//!    false, call `probe.skip(NAME)` and return no finding. Server settings need no query: they are in
//!    `server.settings`; add a new one to `NAMES` in `server_settings.rs`.
//! 3. **Evaluation.** `evaluate` is pure: values in, finding out. Each threshold is a constant, with its unit. A
//!    finding states the problem with its numbers, then its consequence, then the steps to take in order: `.sql`
//!    for a statement, `.run` for a shell command, `.advise` for words. Quote names that come from the database:
//!    `units::literal` and `units::shell` do. [`Severity`] says which severity is due.
//! 4. **Test.** A unit test calls `evaluate` on both sides of each threshold: `cargo test -p tallybook-doctor`.
//! 5. **Registration.** `postgres/mod.rs` needs a `mod` line and the module's name in a `checks!` list: for all
//!    servers, for standbys, or for primaries. Cheap checks come first.
//! 6. **Documentation.** Add a row to the table in `docs/doctor.md`.
//!
//! SQLite checks are the same, in `sqlite`, with `check(probe)` and no `server`.
//!
//! A check that compares nodes stores its values in `PeerFacts` and evaluates them in a file under `nodes`: see
//! `postgres/lag.rs` and `nodes/lag.rs`. A test with a real server in the bad state belongs to
//! `crates/cli/tests/it/doctor`.

// The derives name the crate `tallybook`.
extern crate tallybook_sql as tallybook;

mod configuration;
mod doctor;
mod finding;
mod index_review;
mod node;
mod node_report;
mod nodes;
mod outcome;
mod postgres;
mod probe;
mod report;
mod revisions;
mod severity;
mod sqlite;
mod units;

pub use doctor::Doctor;
pub use finding::{Finding, Next};
pub use index_review::{IndexReview, RedundantIndex, UnreadIndex};
pub use node::{ConfiguredAs, Node, NodeFacts, Role};
pub use report::Report;
pub use severity::Severity;
