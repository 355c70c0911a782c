//! The newest answers of doctor and revisions, for the verdicts.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::doctor::Examination;
use super::revisions::Revisions;

/// The newest answers to what the page asks on demand.
#[derive(Debug, Default)]
pub(super) struct Looked(Mutex<Answers>);

#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    pub(super) revisions: Option<Revisions>,
    pub(super) examination: Option<Examination>,
}

impl Looked {
    pub(super) fn saw_revisions(&self, revisions: &Revisions) {
        self.answers().revisions = Some(revisions.clone());
    }

    pub(super) fn saw_examination(&self, examination: &Examination) {
        self.answers().examination = Some(examination.clone());
    }

    /// Returns the answers until now. Keep them no longer than needed: those who answer wait.
    pub(super) fn answers(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
