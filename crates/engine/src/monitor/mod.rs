//! Monitoring: what statements cost, which are slow or stuck, and which need not have been run.

mod account;
mod budget;
mod catalog;
mod core;
mod detect;
mod failure;
mod fingerprint;
mod gather;
mod journal;
mod line;
mod noted;
mod parameters;
mod place;
mod plans;
mod relations;
mod report;
mod running;
mod scope;
mod series;
mod socket;
mod span;
mod statement;

pub use account::{Account, Ran};
pub use budget::{Budget, Exceeded};
pub use detect::{CallSite, Finding, Grade, Source};
pub use noted::Noted;
pub use report::{
    EvictedReport, HolderReport, PoolReport, Report, RunningReport, StatementReport, TimesReport,
};
pub use scope::Scope;

/// A statement without its values.
pub(crate) fn shape(sql: &str) -> Box<str> {
    fingerprint::Fingerprint::of(sql).text
}

pub(crate) use core::Monitor;
pub(crate) use plans::Wanted;
pub(crate) use socket::{Served, serve};
