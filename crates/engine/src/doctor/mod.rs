//! The doctor: looks at a configuration and at every node that it names, and says what is wrong, where, why that
//! matters and what to run next. It changes nothing.
//!
//! Each node is looked at by itself, over a connection of its own, all at the same time and each for a few seconds at
//! most; a node that can't be reached is a finding. What concerns several nodes is judged when all were looked at.
//!
//! ```
//! use tallybook_engine::Settings;
//! use tallybook_engine::doctor::{Doctor, Severity};
//!
//! # #[tokio::main]
//! # async fn main() -> tallybook_engine::Result<()> {
//! let settings = Settings::new("postgresql://ada:secret@127.0.0.1:1/book")?;
//! let report = Doctor::new(&settings, &[]).examine().await;
//! assert_eq!(report.severity, Severity::Critical);
//! assert_eq!(report.findings[0].check, "connection");
//! # Ok(())
//! # }
//! ```

mod configuration;
mod examination;
mod finding;
mod node;
mod nodes;
mod postgres;
mod report;
mod revisions;
mod severity;
mod sqlite;
mod units;
mod visit;

pub use examination::Doctor;
pub use finding::{Finding, Next};
pub use node::{Configured, Facts, Node, Role};
pub use report::Report;
pub use severity::Severity;
