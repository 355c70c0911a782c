//! What differs between a database and the steps that it has gone through.

use super::catalog::{self, Found};
use super::difference::{self, Difference, INVALID, NOTHING, Severity};
use super::expected::{Expected, ExpectedTable};
use super::step::{Action, Step};
use crate::driver::Connection;
use crate::error::Result;

/// Compares a database with the steps that it `has`. What `later` steps make may be there already, and then has to
/// be what they make.
pub(super) async fn differences(
    connection: &mut Connection,
    has: &[&Step],
    later: &[&Step],
) -> Result<Vec<Difference>> {
    let engine = connection.engine();
    let is_looked_for = |step: &&&Step| !step.is_inverse && !matches!(step.action, Action::Validate { .. });
    let made = later.iter().filter(is_looked_for);
    let whole = Expected::after(has.iter().chain(made).copied());
    let mut differences = Vec::new();
    for table in &whole.tables {
        let later = Later::of(later, table.name);
        let found = catalog::table(connection, table.name).await?;
        if found.is_none() && later.makes_table {
            continue;
        }
        let all = difference::table(table, found.as_ref(), engine);
        if let Some(found) = &found {
            differences.extend(later.already_applied(table, found, &all));
            differences.extend(later.elsewhere(connection, found).await?);
        }
        differences.extend(all.into_iter().filter_map(|one| later.judge(one)));
    }
    Ok(differences)
}

/// What later steps do to a table.
struct Later<'a> {
    steps: Vec<&'a Step>,
    makes_table: bool,
}

impl<'a> Later<'a> {
    fn of(steps: &[&'a Step], table: &str) -> Self {
        let steps: Vec<_> = steps
            .iter()
            .copied()
            .filter(|step| !step.is_inverse && step.table_name() == Some(table))
            .collect();
        let makes_table = steps.iter().any(|step| matches!(step.action, Action::Table(_)));
        Self { steps, makes_table }
    }

    /// A difference as it is before an upgrade: none where the upgrade makes what is missing.
    fn judge(&self, mut difference: Difference) -> Option<Difference> {
        let is_made = self.steps.iter().any(|step| makes(step, &difference.part));
        match &*difference.found {
            NOTHING if is_made && difference.part.starts_with("key ") => {
                difference.severity = Severity::Benign;
                difference.found += ": an upgrade adds it";
                Some(difference)
            }
            NOTHING | INVALID if is_made => None,
            _ => Some(difference),
        }
    }

    /// Indexes of another table that have the names which later steps give.
    async fn elsewhere(&self, connection: &mut Connection, found: &Found) -> Result<Vec<Difference>> {
        let mut differences = Vec::new();
        for step in &self.steps {
            let Action::Index(wanted) = &step.action else { continue };
            if found.indexes.iter().all(|there| there.name != wanted.name)
                && let Some(there) = catalog::index(connection, wanted.name).await?
            {
                differences.extend(difference::index(wanted, Some(&there)));
            }
        }
        Ok(differences)
    }

    /// What later steps find done.
    fn already_applied(&self, table: &ExpectedTable, found: &Found, all: &[Difference]) -> Vec<Difference> {
        let mut applied = Vec::new();
        for step in &self.steps {
            let (part, there) = match &step.action {
                Action::Table(_) => ("table".to_owned(), Some("it".to_owned())),
                Action::Column { column, .. } => {
                    let there = found.column(column.name).map(|there| there.ty.clone());
                    (format!("column {}", column.name), there)
                }
                Action::Index(index) => {
                    let there = found.indexes.iter().find(|there| there.name == index.name);
                    (format!("index {}", index.name), there.map(|there| there.definition.clone()))
                }
                _ => continue,
            };
            let Some(there) = there else { continue };
            if !all.iter().any(|one| one.part == part && one.is_blocking()) {
                applied.push(Difference::new(Severity::AlreadyApplied, table.name, part, NOTHING, there));
            }
        }
        applied
    }
}

/// Whether a step makes that part of its table.
fn makes(step: &Step, part: &str) -> bool {
    let is = |kind: &str, name: &str| part.strip_prefix(kind).is_some_and(|rest| rest == name);
    match &step.action {
        Action::Column { column, .. } => is("column ", column.name) || is("key of ", column.name),
        Action::Key { column, .. } => is("key of ", column),
        Action::Index(index) => is("index ", index.name),
        Action::Table(_) | Action::Validate { .. } | Action::Sql(_) => false,
    }
}
