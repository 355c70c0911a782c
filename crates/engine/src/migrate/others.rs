//! What a database has of other histories.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::name::{Name, parted};
use super::rows::{Rows, StepRow};
use crate::escaped::Escaping;

/// A history of other revisions in the same database, as far as its records tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Other {
    /// Its name.
    pub name: String,
    /// How many of its revisions are applied.
    pub applied: usize,
    /// The one that was applied last.
    pub latest: Option<String>,
    /// The one that is half-way, if one is.
    pub unfinished: Option<String>,
    /// Those that are wholly applied.
    #[serde(skip)]
    pub(super) whole: Vec<String>,
}

impl Other {
    /// Whether a revision is applied, or left a trace.
    pub(super) fn has_begun(&self, id: &str) -> bool {
        self.unfinished.as_deref() == Some(id) || self.whole.iter().any(|whole| whole == id)
    }
}

impl std::fmt::Display for Other {
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

/// The revisions of a history that are applied, and one that is half-way.
type Recorded<'a> = (Vec<(DateTime<Utc>, &'a str)>, Option<&'a str>);

/// What is recorded of other histories than `name`, by name.
pub(super) fn others(name: Name<'_>, rows: &Rows) -> Vec<Other> {
    let mut others: BTreeMap<&str, Recorded<'_>> = BTreeMap::new();
    let is_leaving = |row: &&StepRow| matches!(&*row.state, "leaving" | "gone");
    for row in &rows.applied {
        let (of, id) = parted(&row.id);
        others.entry(of).or_default().0.push((row.applied_at, id));
    }
    for row in &rows.steps {
        let (of, id) = parted(&row.revision);
        let (applied, unfinished) = others.entry(of).or_default();
        let is_applied = applied.iter().any(|(_, applied)| *applied == id);
        if !is_applied || is_leaving(&row) {
            applied.retain(|(_, applied)| *applied != id);
            *unfinished = Some(id);
        }
    }
    let others = others.into_iter().filter(|(of, _)| *of != name.0);
    others
        .map(|(of, (applied, unfinished))| Other {
            name: of.to_owned(),
            applied: applied.len(),
            latest: applied.iter().max().map(|(_, id)| (*id).to_owned()),
            unfinished: unfinished.map(str::to_owned),
            whole: applied.into_iter().map(|(_, id)| id.to_owned()).collect(),
        })
        .collect()
}
