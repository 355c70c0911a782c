//! A judgement.

use serde::Serialize;

/// A judgement about one subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in super::super) struct Verdict {
    pub(super) name: &'static str,
    pub(super) level: Level,
    pub(super) text: String,
    /// The panel of the page that has the details.
    pub(super) panel: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    Unknown,
    Warn,
    Bad,
}
