//! Loops of queries that one query would do, proved by where their parameters come from.

mod allow;
mod binding;
mod epochs;
mod finding;
mod findings;
mod fit;
mod flight;
mod found;
mod group;
mod groups;
mod judge;
mod provenance;
mod ran;
mod rules;
mod shape;
mod sources;
mod spot;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tests;
mod trace;

pub use finding::{CallSite, Finding, Grade, Source};

pub(crate) use allow::Allowed;
pub(crate) use findings::Findings;
pub(super) use fit::{Named, bare};
pub(crate) use flight::{Answered, Sent, Ticket};
pub(crate) use rules::Rules;
pub(crate) use trace::Trace;
