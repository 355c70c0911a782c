//! Revisions and their steps.

use std::borrow::Cow;

use crate::statement::Statement;

/// A named, reversible change of the schema.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Its identifier; revisions are applied in the order of the list they are in.
    pub id: &'static str,
    /// What it is about, in a few words.
    pub name: &'static str,
    /// The steps that apply it.
    pub upgrade: &'static [Step],
    /// The steps that roll it back.
    pub downgrade: &'static [Step],
}

/// One step of a revision.
#[derive(Clone, Debug)]
pub struct Step {
    what: Cow<'static, str>,
    action: Action,
}

/// What a step does. More kinds (online index builds, key validation) join here.
#[derive(Clone, Debug)]
enum Action {
    Sql(Statement),
}

impl Step {
    /// A step that is one SQL statement; `what` says in a few words what it does.
    pub const fn sql(what: &'static str, statement: Statement) -> Self {
        Self { what: Cow::Borrowed(what), action: Action::Sql(statement) }
    }

    /// What it does, in a few words.
    pub fn what(&self) -> &str {
        &self.what
    }

    pub(super) fn statement(&self) -> &Statement {
        match &self.action {
            Action::Sql(statement) => statement,
        }
    }
}
