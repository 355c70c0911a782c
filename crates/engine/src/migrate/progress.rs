//! What a run tells of itself.

use serde::Serialize;

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
