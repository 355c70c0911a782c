//! Ten judgements, one line each.

use serde::Serialize;
use tallybook::Report;

use super::history::History;
use super::statement_window::StatementWindow;

/// A judgement about one subject.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    name: &'static str,
    level: Level,
    text: String,
    /// The panel of the page that has the details.
    panel: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    Warn,
    Bad,
    Unknown,
}

/// Returns all judgements.
pub(super) fn verdicts(report: &Report, _history: &History, _window: &StatementWindow) -> Vec<Verdict> {
    let names =
        ["pool", "latency", "errors", "slow", "n_plus_one", "replicas", "spill", "schema", "indexes", "disk"];
    let _ = (report, Level::Ok, Level::Warn, Level::Bad);
    names
        .map(|name| Verdict {
            name,
            level: Level::Unknown,
            text: "not looked at yet".to_owned(),
            panel: "statements",
        })
        .into()
}
