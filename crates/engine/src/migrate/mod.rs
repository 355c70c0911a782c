//! Revisions: named, ordered, reversible changes of a schema, for databases that are in use.
//!
//! A revision is a list of typed steps. Each finds out whether it is done, does its work in a way that keeps nobody
//! waiting for long, looks whether it led where it says, and can be taken back. What is done is recorded in the tables
//! `tallybook_revisions`, `tallybook_steps`, `tallybook_events`, `tallybook_pending` and `tallybook_needs`; a run that
//! stopped anywhere is simply run again.
//!
//! ```
//! use tallybook_engine::migrate::{Column, Goal, Migrator, Revision, Step, Type};
//! use tallybook_engine::{Database, Settings};
//!
//! const REVISIONS: &[Revision] = &[
//!     Revision::new("0001", "notes", &[Step::table("notes", &[Column::new("id", Type::Id)])]),
//!     Revision::new("0002", "titles", &[
//!         Step::column("notes", Column::new("title", Type::Varchar(80)).null()),
//!         Step::index("ix_notes_title", "notes", &["title"]),
//!     ]),
//! ];
//!
//! # #[tokio::main]
//! # async fn main() -> tallybook_engine::Result<()> {
//! let db = Database::open(Settings::new("sqlite::memory:")?).await?;
//! let migrator = Migrator::new(&db, REVISIONS);
//! assert_eq!(migrator.upgrade(&Goal::Head).await?.len(), 2);
//! assert_eq!(migrator.current().await?, Some("0002"));
//! assert!(migrator.check().await?.is_empty());
//! # Ok(())
//! # }
//! ```

mod adopt;
mod apply;
mod build;
mod carry_over;
mod catalog;
mod checksum;
mod column;
mod definition;
mod difference;
mod elsewhere;
mod expected;
mod file;
mod goal;
mod history;
mod index;
mod lock;
mod look;
mod loss;
mod migrator;
mod name;
mod needs;
mod options;
mod others;
mod outside;
mod patience;
mod pending;
mod plan;
mod privileges;
mod probe;
mod progress;
mod rebuild;
mod revision;
mod rows;
mod run;
mod script;
mod space;
mod sql;
mod standing;
mod step;
mod table;
mod unrecorded;

pub use adopt::{Adoption, Version};
pub use column::{Column, Key, Type};
pub use difference::{Difference, Severity};
pub use goal::Goal;
pub use history::Entry;
pub use migrator::Migrator;
pub use name::MAIN;
pub use others::Other;
pub use plan::{Planned, PlannedStep, Way};
pub use privileges::MissingPrivilege;
pub use progress::{Change, Place, Progress};
pub use revision::Revision;
pub use step::Step;

pub use crate::waiting::Blocker;

pub(crate) use elsewhere::{Elsewhere, elsewhere};
pub(crate) use standing::{Standing, indexes_of, standing};
