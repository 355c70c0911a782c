//! What a run tells of itself.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::waiting::Blocker;

/// What happens in a run of revisions, as it happens. As JSON it is an object with its kind in `event`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Progress {
    /// A step begins.
    Started(Place),
    /// A step is done, but not recorded yet.
    Applied(Place),
    /// A step is done and recorded.
    Done {
        /// Which step.
        #[serde(flatten)]
        place: Place,
        /// How long it took.
        seconds: f64,
        /// It was done before.
        already: bool,
    },
    /// An index is being built.
    Building {
        /// Which step.
        #[serde(flatten)]
        place: Place,
        /// PostgreSQL's name of what it does.
        phase: String,
        /// How much of the whole build is done, roughly.
        percent: f64,
        /// Seconds left, roughly; none while it waits.
        left: Option<f64>,
        /// Who keeps it waiting.
        blockers: Vec<Blocker>,
    },
    /// Something is waited for.
    Waiting {
        /// What for.
        what: String,
        /// Who is waited for.
        blockers: Vec<Blocker>,
    },
    /// Something to know before it hurts.
    Warning {
        /// What.
        what: String,
        /// Who is behind it.
        blockers: Vec<Blocker>,
    },
    /// The target is reached, and nothing more is done. A relative target is forgotten after this is told.
    Ended {
        /// The revisions that were applied or taken back, in order.
        changes: Vec<Change>,
    },
}

/// A revision that was applied or taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// Its identifier.
    pub id: &'static str,
    /// What it is about.
    pub name: &'static str,
    /// How long it took; seconds in JSON.
    #[serde(serialize_with = "seconds")]
    pub took: Duration,
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// Which step of which revision.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Place {
    /// The revision.
    pub revision: &'static str,
    /// The step, counted from 1.
    pub step: usize,
    /// The steps of the revision.
    pub of: usize,
    /// What the step does.
    pub what: String,
}
