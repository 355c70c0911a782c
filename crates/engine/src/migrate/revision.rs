//! Revisions.

use super::step::Step;

/// A named, reversible change of the schema: a list of steps.
#[derive(Clone, Copy, Debug)]
pub struct Revision {
    /// Its identifier; revisions are applied in the order of the list they are in.
    pub id: &'static str,
    /// What it is about, in a few words.
    pub name: &'static str,
    steps: Steps,
}

#[derive(Clone, Copy, Debug)]
enum Steps {
    List(&'static [Step]),
    One(Step),
}

impl Revision {
    /// A revision of steps; going back takes them back from the last to the first.
    pub const fn new(id: &'static str, name: &'static str, steps: &'static [Step]) -> Self {
        Self { id, name, steps: Steps::List(steps) }
    }

    pub(super) fn of(id: &'static str, name: &'static str, step: Step) -> Self {
        Self { id, name, steps: Steps::One(step) }
    }

    /// Its steps, in the order in which they are applied.
    pub fn steps(&self) -> &[Step] {
        match &self.steps {
            Steps::List(steps) => steps,
            Steps::One(step) => std::slice::from_ref(step),
        }
    }
}

/// The steps of revisions, in order.
pub(super) fn steps(revisions: &[Revision]) -> impl Iterator<Item = &Step> {
    revisions.iter().flat_map(Revision::steps)
}
