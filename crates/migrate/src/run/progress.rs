//! Progress events of a run.

use std::time::Duration;

use serde::{Serialize, Serializer};
use tallybook_core::waiting::Blocker;

use crate::run::duplicate_rows::DuplicateRows;

/// A progress event of a run. In JSON it is an object with its kind in `event`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Progress {
    /// A step begins.
    Started(StepPosition),
    /// A step was executed, but is not recorded yet.
    Applied(StepPosition),
    /// A step was executed and recorded.
    Done {
        /// The step.
        #[serde(flatten)]
        place: StepPosition,
        /// Its duration, in seconds.
        seconds: f64,
        /// Set if it had been done before.
        already: bool,
    },
    /// An index is being built.
    Building {
        /// The step.
        #[serde(flatten)]
        place: StepPosition,
        /// PostgreSQL's name of the current phase.
        phase: String,
        /// Estimated completion of the whole build, in percent.
        percent: f64,
        /// Estimated seconds left; `None` while it waits.
        left: Option<f64>,
        /// The sessions that block it.
        blockers: Vec<Blocker>,
    },
    /// The run is waiting.
    Waiting {
        /// The thing it waits for, as text.
        what: String,
        /// The sessions that block it.
        blockers: Vec<Blocker>,
    },
    /// A risk worth knowing before it causes harm.
    Warning {
        /// The warning, as a sentence.
        what: String,
        /// The sessions that cause it.
        blockers: Vec<Blocker>,
    },
    /// Rows forbid a unique index; it stays as it is, and the run goes on.
    NotUnique {
        /// The step.
        #[serde(flatten)]
        place: StepPosition,
        /// The rows.
        rows: DuplicateRows,
    },
    /// The target is reached. The record of a relative target is deleted after this event.
    Ended {
        /// The revisions that were applied or taken back, in order.
        changes: Vec<Change>,
    },
}

/// A revision that was applied or taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// The revision's identifier.
    pub id: &'static str,
    /// The revision's name.
    pub name: &'static str,
    /// Its duration; in JSON in seconds.
    #[serde(serialize_with = "seconds")]
    pub took: Duration,
    /// The indexes that its rows did not allow to be unique.
    pub not_unique: Vec<DuplicateRows>,
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// The position of a step in its revision.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StepPosition {
    /// The revision's identifier.
    pub revision: &'static str,
    /// The step's number, from 1.
    pub step: usize,
    /// The number of steps in the revision.
    pub of: usize,
    /// A short description of the step.
    pub what: String,
}
