//! What differs between what revisions say and what a database has.

use std::fmt::{self, Write};

use serde::Serialize;

use super::catalog::{Found, FoundColumn, FoundIndex};
use super::column::{Column, Type};
use super::expected::ExpectedTable;
use super::index::Index;
use super::type_match::TypeMatch;
use crate::escaped::Escaping;
use crate::settings::Engine;

/// How much a difference matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// Programs would fail, or be wrong.
    Blocking,
    /// It harms nobody.
    Benign,
    /// A later revision makes it, and finds it done.
    AlreadyApplied,
}

/// One difference between what revisions say and what a database has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// How much it matters.
    pub severity: Severity,
    /// The table.
    pub table: String,
    /// The part of it: `column session_id`, `index ix_trades_symbol`, `table`.
    pub part: String,
    /// What revisions say.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl Difference {
    pub(super) fn new(
        severity: Severity,
        table: &str,
        part: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        let (part, expected, found) = (part.into(), expected.into(), found.into());
        Self { severity, table: table.to_owned(), part, expected, found }
    }

    /// Whether programs would fail.
    pub fn is_blocking(&self) -> bool {
        self.severity == Severity::Blocking
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, part, expected, found, .. } = self;
        // Names and types are as somebody chose them.
        write!(Escaping(f), "{table}, {part}: expected {expected}, found {found}")
    }
}

/// What is found where there is nothing.
pub(super) const NOTHING: &str = "nothing";
/// What is found where a build failed.
pub(super) const INVALID: &str = "an INVALID index, left by a build that failed";
/// What is found where nobody looked whether all rows obey a key.
pub(super) const NOT_VALIDATED: &str = "a key that is not validated";

/// What differs in a table, all of it.
pub(super) fn table(expected: &ExpectedTable, found: Option<&Found>, engine: Engine) -> Vec<Difference> {
    let name = expected.name;
    let Some(found) = found else {
        return vec![Difference::new(Severity::Blocking, name, "table", "it", NOTHING)];
    };
    let mut differences: Vec<_> =
        expected.columns.iter().flat_map(|wanted| column(name, wanted, found, engine)).collect();
    differences.extend(expected.columns.iter().filter_map(|wanted| key(expected, wanted, found)));
    differences.extend(expected.indexes.iter().filter_map(|wanted| index_of(wanted, found)));
    if !expected.is_part {
        differences.extend(extra_columns(expected, found));
    }
    differences.extend(extra_indexes(expected, found));
    differences
}

/// What differs in a column, apart from its key.
pub(super) fn column(table: &str, wanted: &Column, found: &Found, engine: Engine) -> Vec<Difference> {
    let part = format!("column {}", wanted.name);
    let Some(there) = found.column(wanted.name) else {
        return vec![Difference::new(Severity::Blocking, table, part, wanted.sql(engine), NOTHING)];
    };
    let mut differences = Vec::new();
    let mut differs = |severity, expected: &str, found: &str| {
        differences.push(Difference::new(severity, table, &part, expected, found));
    };
    let ty = wanted.ty.catalog(engine);
    match wanted.ty.matches(&there.ty, engine) {
        TypeMatch::Same => {}
        TypeMatch::Compatible => differs(Severity::Benign, &ty, &there.ty),
        TypeMatch::Incompatible("") => differs(Severity::Blocking, &ty, &there.ty),
        TypeMatch::Incompatible(why) => differs(Severity::Blocking, &ty, &format!("{} ({why})", there.ty)),
    }
    let is_primary = wanted.ty == Type::Id && found.primary == [wanted.name];
    // SQLite's catalog says "null" of a primary key that does not say NOT NULL; it is never null.
    if there.is_null != wanted.is_null && !is_primary {
        differs(Severity::Blocking, null(wanted.is_null), null(there.is_null));
    }
    if wanted.ty == Type::Id && !is_primary {
        differs(Severity::Blocking, "primary key", "none");
    }
    if wanted.ty == Type::Id && engine == Engine::Postgres && !there.has_default {
        differs(Severity::Blocking, "a default that counts up", "no default");
    }
    if wanted.is_unique && !found.uniques.iter().any(|columns| *columns == [wanted.name]) {
        differs(Severity::Blocking, "unique", "not unique");
    }
    differences
}

fn null(is_null: bool) -> &'static str {
    if is_null { "null" } else { "not null" }
}

/// What differs in the key of a column.
fn key(table: &ExpectedTable, wanted: &Column, found: &Found) -> Option<Difference> {
    let key = wanted.key?;
    let part = format!("key of {}", wanted.name);
    let expected = key.sql();
    let differs =
        |found: String| Some(Difference::new(Severity::Blocking, table.name, &part, &expected, found));
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

/// What differs in an index of a table; one of another name does as well.
fn index_of(wanted: &Index, found: &Found) -> Option<Difference> {
    let there = found.index(wanted.name);
    match found.stand_in(wanted) {
        Some(definition) if there.is_none() => {
            let part = format!("index {}", wanted.name);
            Some(Difference::new(Severity::Benign, wanted.table, part, wanted.sql(), definition))
        }
        _ => index(wanted, there),
    }
}

/// What differs in an index.
pub(super) fn index(wanted: &Index, found: Option<&FoundIndex>) -> Option<Difference> {
    let part = format!("index {}", wanted.name);
    let differs =
        |found: &str| Some(Difference::new(Severity::Blocking, wanted.table, &part, wanted.sql(), found));
    match found {
        None => differs(NOTHING),
        Some(there) if !is_same(wanted, there) => differs(&there.definition),
        Some(there) if !there.is_valid => differs(INVALID),
        Some(_) => None,
    }
}

/// Whether an index is the one that is wanted, valid or not.
pub(super) fn is_same(wanted: &Index, there: &FoundIndex) -> bool {
    there.is_plain
        && there.table == wanted.table
        && there.is_unique == wanted.is_unique
        && there.columns == wanted.columns
}

/// A column that nobody asked for matters only if rows can't be written without it.
fn extra_columns(expected: &ExpectedTable, found: &Found) -> Vec<Difference> {
    let is_extra = |there: &&FoundColumn| expected.columns.iter().all(|wanted| wanted.name != there.name);
    let difference = |there: &FoundColumn| {
        let must_be_given = !there.is_null && !there.has_default;
        let severity = if must_be_given { Severity::Blocking } else { Severity::Benign };
        let found = format!("{} {}", there.ty, null(there.is_null));
        Difference::new(severity, expected.name, format!("column {}", there.name), NOTHING, found)
    };
    found.columns.iter().filter(is_extra).map(difference).collect()
}

fn extra_indexes(expected: &ExpectedTable, found: &Found) -> Vec<Difference> {
    let is_extra = |there: &&FoundIndex| {
        let stands_in = |wanted: &Index| found.index(wanted.name).is_none() && is_same(wanted, there);
        expected.indexes.iter().all(|wanted| wanted.name != there.name && !stands_in(wanted))
    };
    let difference = |there: &FoundIndex| {
        let part = format!("index {}", there.name);
        Difference::new(Severity::Benign, expected.name, part, NOTHING, &there.definition)
    };
    found.indexes.iter().filter(is_extra).map(difference).collect()
}

impl Found {
    fn index(&self, name: &str) -> Option<&FoundIndex> {
        self.indexes.iter().find(|index| index.name == name)
    }

    /// What does for an index by another name: the same one, or a constraint.
    fn stand_in(&self, wanted: &Index) -> Option<String> {
        let same = self.indexes.iter().find(|there| there.is_valid && is_same(wanted, there));
        let is_constrained =
            || wanted.is_unique && self.uniques.iter().any(|columns| columns == wanted.columns);
        match same {
            Some(there) => Some(there.definition.clone()),
            None => is_constrained().then(|| format!("UNIQUE ({})", wanted.columns.join(", "))),
        }
    }
}
