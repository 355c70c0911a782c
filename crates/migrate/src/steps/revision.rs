//! Revisions.

use crate::steps::step::Step;

/// A named, reversible schema change: a list of steps.
#[derive(Clone, Copy, Debug)]
pub struct Revision {
    /// The identifier. Revisions are applied in the order of their list, not of their identifiers.
    pub id: &'static str,
    /// A short description.
    pub name: &'static str,
    steps: Steps,
    /// The revisions of other histories that it depends on: history and identifier.
    pub(crate) needs: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "revisions are constants, and few")]
enum Steps {
    List(&'static [Step]),
    One(Step),
}

impl Revision {
    /// Declares a revision. A downgrade takes its steps back from the last to the first.
    pub const fn new(id: &'static str, name: &'static str, steps: &'static [Step]) -> Self {
        Self { id, name, steps: Steps::List(steps), needs: &[] }
    }

    pub(crate) fn of(id: &'static str, name: &'static str, step: Step) -> Self {
        Self { id, name, steps: Steps::One(step), needs: &[] }
    }

    /// Declares the revisions of other histories that it depends on: the name of the history, and the identifier. It
    /// is applied only after they are, and they are taken back only after it was.
    ///
    /// ```
    /// use tallybook::migrate::{Column, DEFAULT_HISTORY, Revision, Step, Type};
    ///
    /// const COLUMNS: &[Column] =
    ///     &[Column::new("id", Type::Id), Column::new("portfolio_id", Type::Integer).references("portfolios")];
    /// const LIMITS: Revision =
    ///     Revision::new("0001", "limits", &[Step::table("limits", COLUMNS)]).needs(&[(DEFAULT_HISTORY, "0001")]);
    /// ```
    #[must_use]
    pub const fn needs(mut self, needs: &'static [(&'static str, &'static str)]) -> Self {
        self.needs = needs;
        self
    }

    /// Returns the steps, in the order in which they are applied.
    pub fn steps(&self) -> &[Step] {
        match &self.steps {
            Steps::List(steps) => steps,
            Steps::One(step) => std::slice::from_ref(step),
        }
    }
}

/// Returns the steps of revisions, in order.
pub(crate) fn steps(revisions: &[Revision]) -> impl Iterator<Item = &Step> {
    revisions.iter().flat_map(Revision::steps)
}
