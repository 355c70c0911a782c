//! Compares a database with the steps that were applied to it.

use tallybook_core::driver::Connection;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Result;

use crate::catalog::{self, ActualTable};
use crate::compare::difference::{
    self, Difference, DifferenceKind, INVALID, NO_SUCH_CHECK, NOT_UNIQUE, NOTHING,
};
use crate::compare::expected::{Expected, ExpectedTable};
use crate::compare::expressions;
use crate::compare::index_match;
use crate::steps::column::Column;
use crate::steps::step::{Action, Step};

/// Compares a database with the steps that it `has`. Objects that `later` steps would make may exist already, and
/// must then match them.
pub(crate) async fn differences(
    connection: &mut Connection,
    has: &[&Step],
    later: &[&Step],
) -> Result<Vec<Difference>> {
    let dialect = connection.dialect();
    let is_looked_for =
        |step: &&&Step| !step.is_inverse && !matches!(step.action, Action::Validate { .. } | Action::Sql(_));
    let made = later.iter().filter(is_looked_for);
    let whole = Expected::after(has.iter().chain(made).copied());
    let mut differences = Vec::new();
    for of in whole.enums.iter().filter(|_| dialect == Dialect::Postgres) {
        let found = catalog::enum_labels(connection, of.name).await?;
        let is_later =
            later.iter().any(|step| matches!(&step.action, Action::Enum(made) if made.name == of.name));
        if found.is_some() || !is_later {
            differences.extend(expressions::enum_type(of, found.as_deref()));
        }
    }
    for table in &whole.tables {
        let later = Later::of(later, table.name);
        let mut found = catalog::table(connection, table.name).await?;
        if let Some(found) = &mut found {
            index_match::compare(connection, table.name, &table.indexes, &mut found.indexes).await?;
        }
        if found.is_none() && later.makes_table {
            continue;
        }
        let mut all = difference::table(table, found.as_ref(), dialect);
        if let Some(found) = &found {
            let ExpectedTable { columns, checks, validated, .. } = table;
            all.extend(
                expressions::differences(connection, table.name, columns, checks, validated, found).await?,
            );
        }
        excuse_keys_to_partitioned_tables(connection, table, &mut all).await?;
        if let Some(found) = &found {
            differences.extend(later.already_applied(table, found, &all));
            differences.extend(later.misplaced_indexes(connection, found).await?);
        }
        differences.extend(all.into_iter().filter_map(|one| later.judge(one)));
    }
    Ok(differences)
}

/// A foreign key can't refer to the identifier of a partitioned table, which is not unique by itself: that it is missing
/// does not block.
async fn excuse_keys_to_partitioned_tables(
    connection: &mut Connection,
    table: &ExpectedTable,
    differences: &mut [Difference],
) -> Result<()> {
    for difference in differences.iter_mut().filter(|one| one.found == NOTHING) {
        let is_of = |column: &&Column| difference.part.strip_prefix("key of ") == Some(column.name);
        let Some(key) = table.columns.iter().find(is_of).and_then(|column| column.key) else { continue };
        if catalog::table(connection, key.table).await?.is_some_and(|to| to.is_partitioned) {
            difference.severity = DifferenceKind::Benign;
            difference.found = format!("{NOTHING}: {} is partitioned", key.table);
        }
    }
    Ok(())
}

/// The later steps that concern one table.
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

    /// Returns the difference as it stands before an upgrade: `None` if the upgrade creates what is missing.
    fn judge(&self, mut difference: Difference) -> Option<Difference> {
        let is_made = self.steps.iter().any(|step| makes(step, &difference.part));
        match &*difference.found {
            NOTHING if is_made && difference.part.starts_with("key ") => {
                difference.severity = DifferenceKind::Benign;
                difference.found += ": an upgrade adds it";
                Some(difference)
            }
            NOTHING | INVALID if is_made => None,
            found if is_made && (found.starts_with(NO_SUCH_CHECK) || found.ends_with(NOT_UNIQUE)) => None,
            _ => Some(difference),
        }
    }

    /// Returns indexes of other tables that have the name of an index that a later step would create.
    async fn misplaced_indexes(
        &self,
        connection: &mut Connection,
        found: &ActualTable,
    ) -> Result<Vec<Difference>> {
        let mut differences = Vec::new();
        for step in &self.steps {
            let (Action::Index(wanted) | Action::Unique(wanted)) = &step.action else { continue };
            if found.indexes.iter().all(|there| there.name != wanted.name)
                && let Some(there) = catalog::index(connection, wanted.name).await?
            {
                differences.extend(difference::index(wanted, Some(&there), connection.dialect()));
            }
        }
        Ok(differences)
    }

    /// Returns what later steps would create and exists already.
    fn already_applied(
        &self,
        table: &ExpectedTable,
        found: &ActualTable,
        all: &[Difference],
    ) -> Vec<Difference> {
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
                Action::Unique(index) => {
                    let mut indexes = found.indexes.iter();
                    let there = indexes.find(|there| there.name == index.name && there.is_unique);
                    (format!("index {}", index.name), there.map(|there| there.definition.clone()))
                }
                _ => continue,
            };
            let Some(there) = there else { continue };
            if !all.iter().any(|one| one.part == part && one.is_blocking()) {
                applied.push(Difference::new(
                    DifferenceKind::AlreadyApplied,
                    table.name,
                    part,
                    NOTHING,
                    there,
                ));
            }
        }
        applied
    }
}

/// Returns whether a step creates this part of its table.
fn makes(step: &Step, part: &str) -> bool {
    let is = |kind: &str, name: &str| part.strip_prefix(kind).is_some_and(|rest| rest == name);
    match &step.action {
        Action::Column { column, .. } => is("column ", column.name) || is("key of ", column.name),
        Action::Key { column, .. } => is("key of ", column),
        Action::Index(index) | Action::Unique(index) => is("index ", index.name),
        Action::Check(check) => is("check ", check.name),
        Action::Table(_) | Action::Validate { .. } | Action::Enum(_) | Action::Sql(_) => false,
    }
}
