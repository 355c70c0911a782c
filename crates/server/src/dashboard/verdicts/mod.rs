//! Ten judgements, one line each. One that could not be made says so, and how it can be.

mod asked;
mod servers;
mod work;

use std::time::Duration;

use serde::Serialize;
use tallybook::{MonitorMode, Report};

use super::history::History;
use super::looked::Answers;
use super::statement_window::StatementWindow;

/// A judgement about one subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    name: &'static str,
    level: Level,
    text: String,
    /// The panel of the page that has the details.
    panel: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Unknown,
    Warn,
    Bad,
}

/// What the judgements rest on.
#[derive(Clone, Copy)]
pub(super) struct Evidence<'a> {
    pub(super) report: &'a Report,
    pub(super) history: &'a History,
    pub(super) window: &'a StatementWindow,
    pub(super) answers: &'a Answers,
    pub(super) settings: WatchedSettings,
}

/// The settings of the watched program that the judgements depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WatchedSettings {
    /// The age at which a session is held too long.
    pub(super) leak_threshold: Duration,
    /// The extent of the monitoring; `None` if it is not known.
    pub(super) mode: Option<MonitorMode>,
    /// Set if the database can be asked.
    pub(super) has_database: bool,
}

/// Returns all judgements, in the order of the page.
pub(super) fn verdicts(evidence: &Evidence<'_>) -> Vec<Verdict> {
    type Judge = fn(&Evidence<'_>) -> (Level, String);
    const JUDGES: [(&str, &str, Judge); 10] = [
        ("pool", "pools", servers::pool),
        ("latency", "latency", work::latency),
        ("errors", "events", work::errors),
        ("slow", "events", work::slow),
        ("n_plus_one", "findings", work::n_plus_one),
        ("replicas", "servers", servers::replicas),
        ("spill", "servers", servers::spill),
        ("schema", "revisions", asked::schema),
        ("indexes", "doctor", asked::indexes),
        ("disk", "doctor", servers::disk),
    ];
    let judged = JUDGES.into_iter().map(|(name, panel, judge)| {
        let (level, text) = judge(evidence);
        Verdict { name, level, text, panel }
    });
    judged.collect()
}

/// Returns a duration as people read it.
fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        seconds if seconds >= 90.0 => format!("{:.0} min", seconds / 60.0),
        seconds if seconds >= 1.0 => format!("{seconds:.1} s"),
        seconds if seconds >= 0.001 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{:.0} µs", seconds * 1e6),
    }
}

/// Returns a number with its noun.
fn counted(count: u64, one: &str, several: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {several}") }
}
