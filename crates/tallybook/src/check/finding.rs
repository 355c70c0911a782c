//! The result of a check.

use std::fmt;

/// The severity of a [`Finding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Severity {
    /// Statements fail, return wrong rows or read the whole table.
    Problem,
    /// The two sides differ, and the program works.
    Note,
}

/// One difference between the declaration of a table and its revisions or its database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The severity.
    pub severity: Severity,
    /// The table's name.
    pub table: &'static str,
    /// The column, if the finding concerns one.
    pub column: Option<String>,
    /// The difference, in a sentence.
    pub problem: String,
    /// The side of the struct.
    pub declared: String,
    /// The other side.
    pub found: String,
    /// Steps to paste into the next revision.
    pub steps: Vec<String>,
    /// A change of the struct that ends the difference too.
    pub field: Option<String>,
    /// The name of the other side: `revisions` or `database`.
    pub side: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, problem, declared, found, side, .. } = self;
        match &self.column {
            Some(column) => writeln!(f, "{table}.{column}: {problem}")?,
            None => writeln!(f, "{table}: {problem}")?,
        }
        writeln!(f, "    struct:    {declared}")?;
        write!(f, "    {:<10} {found}", format!("{side}:"))?;
        for step in &self.steps {
            write!(f, "\n    paste:     {step},")?;
        }
        let label = if self.steps.is_empty() { "change:" } else { "or change:" };
        match &self.field {
            Some(field) => write!(f, "\n    {label:<10} {field}"),
            None => Ok(()),
        }
    }
}

/// Everything that a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(pub(super) Vec<Finding>);

impl Findings {
    /// Returns the problems.
    pub fn problems(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(|finding| finding.severity == Severity::Problem)
    }

    /// Returns the notes.
    pub fn notes(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(|finding| finding.severity == Severity::Note)
    }

    /// Panics with all findings if there is a problem.
    ///
    /// # Panics
    /// If there is a problem.
    #[track_caller]
    pub fn assert(&self) {
        assert!(self.problems().next().is_none(), "{self}");
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |count, one: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
        let (problems, notes) = (self.problems().count(), self.notes().count());
        write!(f, "{}, {}", of(problems, "problem"), of(notes, "note"))?;
        for finding in self.problems() {
            write!(f, "\n\n{finding}")?;
        }
        for finding in self.notes() {
            write!(f, "\n\nnote: {finding}")?;
        }
        Ok(())
    }
}
