//! Index advice, on demand.

use std::time::Duration;

use serde::Serialize;
use tallybook::Database;
use tallybook::book::REVISIONS;
use tallybook::migrate::indexes_of;
use tallybook_advise::{
    AdvisedIndex, DropReason, IndexKey, IndexToDrop, Options, Refusal, StatementGain, advise,
};

use crate::request::Problem;

/// The time in which indexes are tried. What was found until then is shown, with a note.
const LIMIT: Duration = Duration::from_secs(15);
/// Rows of a table that are copied: fewer than by the command line, so that the program is not disturbed for long.
const MAX_ROWS: u64 = 20_000;
/// The revision to add, as the page proposes it.
const REVISION: &str = "next";

/// The advice as the page shows it. Times are in seconds.
#[derive(Debug, Serialize)]
pub(super) struct Advised {
    watched: f64,
    add: Vec<Addition>,
    drop: Vec<Drop>,
    refused: Vec<Refused>,
    /// Limits of the advice, and statistics that mislead the planner.
    notes: Vec<String>,
    /// The revision that makes and drops all of them, in Rust; empty if there is none.
    rust: String,
}

#[derive(Debug, Serialize)]
struct Addition {
    table: String,
    columns: Vec<String>,
    #[serde(rename = "where")]
    filter: Option<String>,
    gains: Vec<Gain>,
    write_cost: f64,
    size_bytes: u64,
    sql: String,
}

#[derive(Debug, Serialize)]
struct Gain {
    text: String,
    /// Time of a call; `None` if the statement was planned and not run.
    before: Option<f64>,
    after: Option<f64>,
    /// The part of the work that is saved, from 0 to 1.
    saving: f64,
    calls: u64,
}

#[derive(Debug, Serialize)]
struct Drop {
    name: String,
    table: String,
    reason: String,
    sql: String,
}

#[derive(Debug, Serialize)]
struct Refused {
    what: String,
    reason: String,
}

/// Tries indexes for the statements that this program has run, on a scratch copy.
pub(super) async fn look(db: &Database) -> Result<Advised, Problem> {
    let options = Options::default().within(LIMIT).max_rows(MAX_ROWS).keep(indexes_of(REVISIONS));
    // On the heap: it is a large future.
    let advice = Box::pin(advise(db, &db.workload(), &options)).await?;
    let stale = advice.stale.iter().map(|stale| format!("{}: {}; {}", stale.table, stale.reason, stale.sql));
    let has_revision = !(advice.add.is_empty() && advice.drop.is_empty());
    Ok(Advised {
        watched: advice.watched,
        notes: advice.notes.iter().cloned().chain(stale).collect(),
        rust: if has_revision { advice.revision(REVISION).rust } else { String::new() },
        add: advice.add.into_iter().map(Addition::from).collect(),
        drop: advice.drop.into_iter().map(Drop::from).collect(),
        refused: advice.refusals.into_iter().map(Refused::from).collect(),
    })
}

impl From<AdvisedIndex> for Addition {
    fn from(index: AdvisedIndex) -> Self {
        Self {
            table: index.table,
            columns: index.keys.iter().map(IndexKey::to_string).collect(),
            filter: index.filter,
            gains: index.gains.into_iter().map(Gain::from).collect(),
            write_cost: (index.insert_with - index.insert_without).max(0.0),
            size_bytes: index.bytes,
            sql: index.sql,
        }
    }
}

impl From<StatementGain> for Gain {
    fn from(gain: StatementGain) -> Self {
        let measured = |time: f64| (gain.time_before > 0.0).then_some(time);
        Self {
            before: measured(gain.time_before),
            after: measured(gain.time_after),
            saving: gain.saving(),
            calls: gain.calls,
            text: super::cut::listed(&gain.statement).to_owned(),
        }
    }
}

impl From<IndexToDrop> for Drop {
    fn from(index: IndexToDrop) -> Self {
        let other = index.other.as_deref().unwrap_or("another index");
        let reason = match index.reason {
            DropReason::Duplicate => format!("{other} has the same columns"),
            DropReason::Prefix => format!("{other} begins with its columns"),
            _ => format!("nothing used it: {}", index.watched.as_deref().unwrap_or("while it was watched")),
        };
        Self { name: index.name, table: index.table, reason, sql: index.sql }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let statement = || super::cut::listed(&refusal.statement).to_owned();
        Self { what: refusal.index.clone().unwrap_or_else(statement), reason: refusal.reason.clone() }
    }
}
