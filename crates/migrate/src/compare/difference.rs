//! Differences between the schema that revisions declare and the one that exists.

use std::fmt::{self, Write};

use serde::Serialize;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::escaped::Escaping;

use crate::catalog::{ActualTable, FoundColumn, FoundIndex};
use crate::compare::expected::ExpectedTable;
use crate::compare::type_match::TypeMatch;
use crate::steps::column::{Column, Type};
use crate::steps::table::Index;

/// The severity of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DifferenceKind {
    /// Programs would fail or return wrong results.
    Blocking,
    /// Harmless.
    Benign,
    /// A later revision creates this, and it already exists.
    AlreadyApplied,
}

/// One difference between the declared and the existing schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// The severity.
    pub severity: DifferenceKind,
    /// The table's name.
    pub table: String,
    /// The part of the table: `column session_id`, `index ix_trades_symbol`, `table`.
    pub part: String,
    /// The definition that revisions declare.
    pub expected: String,
    /// The definition that exists.
    pub found: String,
}

impl Difference {
    pub(crate) fn new(
        severity: DifferenceKind,
        table: &str,
        part: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        let (part, expected, found) = (part.into(), expected.into(), found.into());
        Self { severity, table: table.to_owned(), part, expected, found }
    }

    /// Returns whether programs would fail.
    pub fn is_blocking(&self) -> bool {
        self.severity == DifferenceKind::Blocking
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, part, expected, found, .. } = self;
        // Names and types come from the database and may hold anything.
        write!(Escaping(f), "{table}, {part}: expected {expected}, found {found}")
    }
}

/// The `found` text of something that does not exist.
pub(crate) const NOTHING: &str = "nothing";
/// The `found` text of an index whose build failed.
pub(crate) const INVALID: &str = "an INVALID index, left by a build that failed";
/// The `found` text of a foreign key that was never validated.
pub(crate) const NOT_VALIDATED: &str = "a key that is not validated";

/// Compares a whole table.
pub(crate) fn table(
    expected: &ExpectedTable,
    found: Option<&ActualTable>,
    dialect: Dialect,
) -> Vec<Difference> {
    let name = expected.name;
    let Some(found) = found else {
        return vec![Difference::new(DifferenceKind::Blocking, name, "table", "it", NOTHING)];
    };
    let mut differences: Vec<_> =
        expected.columns.iter().flat_map(|wanted| column(name, wanted, found, dialect)).collect();
    differences.extend(expected.columns.iter().filter_map(|wanted| key(expected, wanted, found)));
    differences.extend(expected.indexes.iter().filter_map(|wanted| index_of(wanted, found)));
    if !expected.is_partial {
        differences.extend(extra_columns(expected, found));
    }
    differences.extend(extra_indexes(expected, found));
    differences
}

/// Compares a column, without its foreign key.
pub(crate) fn column(table: &str, wanted: &Column, found: &ActualTable, dialect: Dialect) -> Vec<Difference> {
    let part = format!("column {}", wanted.name);
    let Some(there) = found.column(wanted.name) else {
        return vec![Difference::new(DifferenceKind::Blocking, table, part, wanted.sql(dialect), NOTHING)];
    };
    let mut differences = Vec::new();
    let mut differs = |severity, expected: &str, found: &str| {
        differences.push(Difference::new(severity, table, &part, expected, found));
    };
    let ty = wanted.ty.catalog(dialect);
    match wanted.ty.matches(&there.ty, dialect) {
        TypeMatch::Same => {}
        TypeMatch::Compatible => differs(DifferenceKind::Benign, &ty, &there.ty),
        TypeMatch::Incompatible("") => differs(DifferenceKind::Blocking, &ty, &there.ty),
        TypeMatch::Incompatible(why) => {
            differs(DifferenceKind::Blocking, &ty, &format!("{} ({why})", there.ty));
        }
    }
    let is_primary = wanted.ty == Type::Id && found.primary == [wanted.name];
    // SQLite's catalog reports a primary key without `NOT NULL` as nullable, although it never is.
    if there.is_null != wanted.is_null && !is_primary {
        differs(DifferenceKind::Blocking, null(wanted.is_null), null(there.is_null));
    }
    if wanted.ty == Type::Id && !is_primary {
        differs(DifferenceKind::Blocking, "primary key", "none");
    }
    if wanted.ty == Type::Id && dialect == Dialect::Postgres && !there.has_default {
        differs(DifferenceKind::Blocking, "a default that counts up", "no default");
    }
    if wanted.is_unique && !found.uniques.iter().any(|columns| *columns == [wanted.name]) {
        differs(DifferenceKind::Blocking, "unique", "not unique");
    }
    differences
}

fn null(is_null: bool) -> &'static str {
    if is_null { "null" } else { "not null" }
}

/// Compares the foreign key of a column.
fn key(table: &ExpectedTable, wanted: &Column, found: &ActualTable) -> Option<Difference> {
    let key = wanted.key?;
    let part = format!("key of {}", wanted.name);
    let expected = key.sql();
    let differs =
        |found: String| Some(Difference::new(DifferenceKind::Blocking, table.name, &part, &expected, found));
    match found.key_of(wanted.name) {
        _ if found.column(wanted.name).is_none() => None,
        None => differs(NOTHING.to_owned()),
        Some(there) if there.table != key.table || there.to != ["id"] => {
            differs(format!("REFERENCES {} ({})", there.table, there.to.join(", ")))
        }
        Some(there) if !there.is_valid && key.name.is_none_or(|name| table.validated.contains(&name)) => {
            differs(NOT_VALIDATED.to_owned())
        }
        Some(_) => None,
    }
}

/// Compares an index of a table; an equivalent one of another name is a benign difference.
fn index_of(wanted: &Index, found: &ActualTable) -> Option<Difference> {
    let there = found.index(wanted.name);
    match found.equivalent(wanted) {
        Some(definition) if there.is_none() => {
            let part = format!("index {}", wanted.name);
            Some(Difference::new(DifferenceKind::Benign, wanted.table, part, wanted.sql(), definition))
        }
        _ => index(wanted, there),
    }
}

/// Compares an index by its name.
pub(crate) fn index(wanted: &Index, found: Option<&FoundIndex>) -> Option<Difference> {
    let part = format!("index {}", wanted.name);
    let differs = |found: &str| {
        Some(Difference::new(DifferenceKind::Blocking, wanted.table, &part, wanted.sql(), found))
    };
    match found {
        None => differs(NOTHING),
        Some(there) if !is_same(wanted, there) => differs(&there.definition),
        Some(there) if !there.is_valid => differs(INVALID),
        Some(_) => None,
    }
}

/// Returns whether an index has the declared definition, valid or not.
pub(crate) fn is_same(wanted: &Index, there: &FoundIndex) -> bool {
    there.is_plain
        && there.table == wanted.table
        && there.is_unique == wanted.is_unique
        && there.columns == wanted.columns
}

/// Reports undeclared columns. They block only if an insert must provide a value.
fn extra_columns(expected: &ExpectedTable, found: &ActualTable) -> Vec<Difference> {
    let is_extra = |there: &&FoundColumn| expected.columns.iter().all(|wanted| wanted.name != there.name);
    let difference = |there: &FoundColumn| {
        let must_be_given = !there.is_null && !there.has_default;
        let severity = if must_be_given { DifferenceKind::Blocking } else { DifferenceKind::Benign };
        let found = format!("{} {}", there.ty, null(there.is_null));
        Difference::new(severity, expected.name, format!("column {}", there.name), NOTHING, found)
    };
    found.columns.iter().filter(is_extra).map(difference).collect()
}

fn extra_indexes(expected: &ExpectedTable, found: &ActualTable) -> Vec<Difference> {
    let is_extra = |there: &&FoundIndex| {
        let stands_in = |wanted: &Index| found.index(wanted.name).is_none() && is_same(wanted, there);
        expected.indexes.iter().all(|wanted| wanted.name != there.name && !stands_in(wanted))
    };
    let difference = |there: &FoundIndex| {
        let part = format!("index {}", there.name);
        Difference::new(DifferenceKind::Benign, expected.name, part, NOTHING, &there.definition)
    };
    found.indexes.iter().filter(is_extra).map(difference).collect()
}

impl ActualTable {
    fn index(&self, name: &str) -> Option<&FoundIndex> {
        self.indexes.iter().find(|index| index.name == name)
    }

    /// Returns the definition of an equivalent of another name: an identical index, or a unique constraint.
    fn equivalent(&self, wanted: &Index) -> Option<String> {
        let same = self.indexes.iter().find(|there| there.is_valid && is_same(wanted, there));
        let is_constrained =
            || wanted.is_unique && self.uniques.iter().any(|columns| columns == wanted.columns);
        match same {
            Some(there) => Some(there.definition.clone()),
            None => is_constrained().then(|| format!("UNIQUE ({})", wanted.columns.join(", "))),
        }
    }
}
