//! The other histories in a database.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tallybook_sql::escaped::Escaping;

use crate::history::history_name::{HistoryName, split_id};
use crate::history::rows::{Rows, StepRow};

/// A history of other revisions in the same database, as far as the records show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OtherHistory {
    /// The history's name.
    pub name: String,
    /// The number of its applied revisions.
    pub applied: usize,
    /// The identifier of the revision applied last.
    pub latest: Option<String>,
    /// The identifier of a partially applied revision, if there is one.
    pub unfinished: Option<String>,
    /// The identifiers of the completely applied revisions.
    #[serde(skip)]
    pub(crate) whole: Vec<String>,
}

impl OtherHistory {
    /// Returns whether a revision is applied completely or partially.
    pub(crate) fn has_trace_of(&self, id: &str) -> bool {
        self.unfinished.as_deref() == Some(id) || self.whole.iter().any(|whole| whole == id)
    }
}

impl std::fmt::Display for OtherHistory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, applied, latest, unfinished, .. } = self;
        let mut f = Escaping(f);
        write!(f, "{name}: {applied} applied")?;
        if let Some(latest) = latest {
            write!(f, ", the latest is {latest}")?;
        }
        match unfinished {
            Some(unfinished) => write!(f, "; {unfinished} is half-way"),
            None => Ok(()),
        }
    }
}

/// The applied revisions of a history, and a partially applied one.
type Recorded<'a> = (Vec<(DateTime<Utc>, &'a str)>, Option<&'a str>);

/// Returns all recorded histories except `name`, ordered by name.
pub(crate) fn others(name: HistoryName<'_>, rows: &Rows) -> Vec<OtherHistory> {
    let mut others: BTreeMap<&str, Recorded<'_>> = BTreeMap::new();
    let is_leaving = |row: &&StepRow| matches!(&*row.state, "leaving" | "gone");
    for row in &rows.applied {
        let (of, id) = split_id(&row.id);
        others.entry(of).or_default().0.push((row.applied_at, id));
    }
    for row in &rows.steps {
        let (of, id) = split_id(&row.revision);
        let (applied, unfinished) = others.entry(of).or_default();
        let is_applied = applied.iter().any(|(_, applied)| *applied == id);
        if !is_applied || is_leaving(&row) {
            applied.retain(|(_, applied)| *applied != id);
            *unfinished = Some(id);
        }
    }
    let others = others.into_iter().filter(|(of, _)| *of != name.0);
    others
        .map(|(of, (applied, unfinished))| OtherHistory {
            name: of.to_owned(),
            applied: applied.len(),
            latest: applied.iter().max().map(|(_, id)| (*id).to_owned()),
            unfinished: unfinished.map(str::to_owned),
            whole: applied.into_iter().map(|(_, id)| id.to_owned()).collect(),
        })
        .collect()
}
