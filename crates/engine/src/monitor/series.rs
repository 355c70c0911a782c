//! The figures of statements as metrics have them: by operation, table and summary, of which there are few.

use std::collections::BTreeMap;

use super::fingerprint::Fingerprint;
use super::statement::{Figures, OTHER, Statement};

/// Subjects of evicted statements that are told apart; what is beyond goes into one of [`OTHER`].
const MOST_EVICTED: usize = 256;

/// What the figures of statements are added up by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    pub(super) operation: Box<str>,
    pub(super) collection: Option<Box<str>>,
    pub(super) summary: Box<str>,
}

/// Figures by their subjects.
#[derive(Clone, Debug, Default)]
pub(super) struct Series(BTreeMap<Subject, Figures>);

impl Series {
    /// Adds the figures of a statement.
    pub(super) fn add(&mut self, statement: &Statement) {
        self.add_figures(Subject::of(statement), statement.figures());
    }

    /// Adds the figures of a statement that is not kept any more.
    pub(super) fn add_evicted(&mut self, statement: &Statement) {
        let subject = Subject::of(statement);
        let has_room = self.0.len() < MOST_EVICTED || self.0.contains_key(&subject);
        self.add_figures(if has_room { subject } else { Subject::other() }, statement.figures());
    }

    fn add_figures(&mut self, subject: Subject, figures: Figures) {
        match self.0.get_mut(&subject) {
            Some(sum) => sum.add(&figures),
            None => drop(self.0.insert(subject, figures)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Subject, &Figures)> {
        self.0.iter()
    }
}

impl Subject {
    fn of(statement: &Statement) -> Self {
        let Fingerprint { operation, collection, summary, .. } = &statement.fingerprint;
        // The convention wants the table only where there is but one.
        let is_only = |table: &str| format!("{operation} {table}") == **summary;
        Self {
            operation: operation.clone(),
            collection: collection.clone().filter(|table| is_only(table)),
            summary: summary.clone(),
        }
    }

    fn other() -> Self {
        Self { operation: OTHER.into(), collection: None, summary: OTHER.into() }
    }
}
