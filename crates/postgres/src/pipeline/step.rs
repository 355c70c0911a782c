//! The parts of a pipeline, each with an answer of its own.

use std::time::Duration;

use tallybook_sql::dialect::Dialect;
use tallybook_sql::query::Query;

use crate::client::ColumnDescription;
use crate::types::Columns;

/// A part of a pipeline, and what its answer has told so far.
pub(crate) struct Step {
    pub(super) kind: StepKind,
    pub(super) form: Form,
    /// True once the server has prepared the statement.
    pub(super) is_parsed: bool,
    /// True once it was executed without an error of the server.
    pub(super) has_succeeded: bool,
    pub(super) columns: Option<Columns>,
    pub(super) later: Option<Box<DecodedLater>>,
    /// How long the statement took when it was measured last.
    pub(super) expected: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepKind {
    /// A statement of the driver's own.
    Control(Control, &'static str),
    /// The statement that a pooler needs after a BEGIN.
    Pooler,
    /// The query at this place of the batch.
    Query(usize),
    /// A cursor over the query at this place.
    Cursor(usize),
    /// The end of a group. After an error, the server goes on behind it.
    Sync,
}

/// The purpose of a statement of the driver's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    Begin,
    End,
    /// The replay position of a replica.
    Replayed,
    /// The log position after the commit.
    Position,
}

/// The form in which a statement is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// By the name of a prepared statement.
    Prepared,
    /// With its text, under a new name.
    Preparing(Box<str>),
    /// By the name that an earlier step of the pipeline gives it.
    PreparedBy(usize),
    /// With its text, without a name.
    Unnamed,
}

/// The rows of a result with a type that is not known yet. They are decoded once the server was asked for it.
pub(super) struct DecodedLater {
    pub(super) columns: Vec<ColumnDescription>,
    pub(super) rows: Vec<Vec<u8>>,
    pub(super) affected: u64,
}

impl DecodedLater {
    pub(super) fn boxed(columns: Vec<ColumnDescription>) -> Box<Self> {
        Box::new(Self { columns, rows: Vec::new(), affected: 0 })
    }
}

impl Step {
    pub(super) fn new(kind: StepKind, form: Form) -> Self {
        Self {
            kind,
            form,
            is_parsed: false,
            has_succeeded: false,
            columns: None,
            later: None,
            expected: Duration::ZERO,
        }
    }

    /// Returns the name that the step gives a statement with this text.
    pub(super) fn gives_name(&self, sql: &str, queries: &mut [&mut dyn Query]) -> Option<&str> {
        match (&self.form, self.kind) {
            (Form::Preparing(name), StepKind::Query(place)) => {
                let statement = &queries[place].request().statement;
                (statement.sql(Dialect::Postgres) == sql).then_some(name)
            }
            _ => None,
        }
    }
}
