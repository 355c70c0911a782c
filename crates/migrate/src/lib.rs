//! Schema migrations for SQLite and PostgreSQL databases that stay in use while they run.
//!
//! ```
//! use tallybook::migrate::{Column, Target, Migrator, Revision, Step, Type};
//! use tallybook::{Database, Settings};
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
//! # async fn main() -> tallybook::Result<()> {
//! let db = Database::open(Settings::new("sqlite::memory:")?).await?;
//! let migrator = Migrator::new(&db, REVISIONS);
//! assert_eq!(migrator.upgrade(&Target::Head).await?.len(), 2);
//! assert_eq!(migrator.current().await?, Some("0002"));
//! assert!(migrator.check().await?.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # Revisions and steps
//! A [`Revision`] is a named list of typed [`Step`]s: a table, a column, a foreign key, an index, or SQL of one's own.
//! A step knows four things: how to detect that it is done, how to run without blocking others for long, how to verify
//! its result, and how to be taken back.
//!
//! # Runs
//! A [`Migrator`] walks through the revisions up to a [`Target`]. On PostgreSQL it builds indexes concurrently, validates
//! foreign keys in a step of their own, and never queues for a lock longer than a quarter of a second.
//! [`Migrator::plan`] shows the SQL, the locks and the cost beforehand; [`Progress`] reports the run and the sessions that
//! block it. A run that stopped anywhere, killed or not, is resumed by running it again.
//!
//! # History
//! The tables `tallybook_revisions`, `tallybook_steps`, `tallybook_events`, `tallybook_pending` and `tallybook_needs`
//! record what is done. Several programs can keep histories of their own in one database ([`Migrator::named`]).
//!
//! # Checks and adoption
//! [`Migrator::check`] compares the database with the applied revisions. [`Migrator::adopt`] takes over a database that
//! Alembic or SQLAlchemy made, and [`Migrator::release`] hands it back.
//!
//! # Modules
//! `steps` declares, `run` executes, `history` records, `catalog` reads what exists, `compare` finds differences and
//! `adopt` deals with Alembic.

// The derives name the crate `tallybook`.
extern crate tallybook_sql as tallybook;

mod adopt;
mod catalog;
mod compare;
mod history;
mod migrator;
mod plan;
mod run;
mod schema;
mod steps;
mod target;

pub use tallybook_core::waiting::Blocker;

pub use adopt::alembic_chain::{ReleaseVersions, Version};
pub use adopt::release::Release;
pub use adopt::{Adoption, Warning};
pub use catalog::other_schema::{OtherSchema, other_schema};
pub use compare::difference::{Difference, DifferenceKind};
pub use compare::status::{Status, indexes_of, status};
pub use history::HistoryEntry;
pub use history::history_name::DEFAULT_HISTORY;
pub use history::other_histories::OtherHistory;
pub use migrator::Migrator;
pub use plan::{PlannedRevision, PlannedStep, StepSql};
pub use run::duplicate_rows::{DuplicateGroup, DuplicateRows};
pub use run::privileges::MissingPrivilege;
pub use run::progress::{Change, Progress, StepPosition};
pub use schema::{Misfit, Schema, SchemaColumn, SchemaIndex, SchemaTable};
pub use steps::column::{Column, Key, Type};
pub use steps::enum_type::EnumType;
pub use steps::revision::Revision;
pub use steps::step::Step;
pub use target::Target;
