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
    /// The revisions of other histories that it needs: the name of the history, and the identifier.
    pub(super) needs: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy, Debug)]
enum Steps {
    List(&'static [Step]),
    One(Step),
}

impl Revision {
    /// A revision of steps; going back takes them back from the last to the first.
    pub const fn new(id: &'static str, name: &'static str, steps: &'static [Step]) -> Self {
        Self { id, name, steps: Steps::List(steps), needs: &[] }
    }

    pub(super) fn of(id: &'static str, name: &'static str, step: Step) -> Self {
        Self { id, name, steps: Steps::One(step), needs: &[] }
    }

    /// Says which revisions of other histories it needs: the name of the history, and the identifier. It is applied
    /// only where they are, and they are taken back only where it is not.
    ///
    /// ```
    /// use tallybook_engine::migrate::{Column, MAIN, Revision, Step, Type};
    ///
    /// const COLUMNS: &[Column] =
    ///     &[Column::new("id", Type::Id), Column::new("portfolio_id", Type::Integer).references("portfolios")];
    /// const LIMITS: Revision =
    ///     Revision::new("0001", "limits", &[Step::table("limits", COLUMNS)]).needs(&[(MAIN, "0001")]);
    /// ```
    #[must_use]
    pub const fn needs(mut self, needs: &'static [(&'static str, &'static str)]) -> Self {
        self.needs = needs;
        self
    }

    /// Its steps, in the order in which they are applied.
    pub fn steps(&self) -> &[Step] {
        match &self.steps {
            Steps::List(steps) => steps,
            Steps::One(step) => std::slice::from_ref(step),
        }
    }
}
