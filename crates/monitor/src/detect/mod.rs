//! The N+1 detector: finds loops of queries that one query could replace, and proves them by where their
//! parameters come from.
//!
//! A [`History`] records the pipelines of one scope: [`groups`] counts them by call site and remembers their
//! parameters, [`key_sources`] keeps the keys that results contained. [`analysis`] looks for groups whose
//! parameters are keys read earlier (an N+1), or that repeat themselves (a redundant read).

mod allow_list;
mod analysis;
mod call_key;
mod finding;
mod findings;
mod group;
mod groups;
mod history;
mod invalidation;
mod key_match;
mod key_sources;
mod parameter_set;
mod pipeline;
mod raw_finding;
mod rules;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tests;
mod value_index;

pub use finding::{Confidence, QueryFinding, Source, SourceLocation};

pub(crate) use allow_list::AllowList;
pub(crate) use findings::Findings;
pub(crate) use history::History;
pub(crate) use key_match::{ColumnRef, unqualified};
pub(crate) use pipeline::{AnsweredStatement, PipelineHandle, SentStatement};
pub(crate) use rules::Rules;
