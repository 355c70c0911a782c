//! Query plans.

use std::fmt::Write;

use serde_json::Value as Json;
use tallybook_sql::error::{Error, ErrorDetail, Result};

/// The plan of one or several statements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// Names of the indexes used, in the order of the plan. A lookup by SQLite's integer primary key is
    /// listed as `INTEGER PRIMARY KEY`.
    pub indexes: Vec<String>,
    /// The plan in the database's own format: JSON on PostgreSQL, text on SQLite.
    pub text: String,
    /// One line per step, without conditions and so without values.
    pub outline: String,
    /// Pages of tables and indexes that the statement touched (PostgreSQL's shared buffers). Set only by
    /// [`Explainer::analyzing`](super::Explainer::analyzing) on PostgreSQL.
    pub pages: Option<u64>,
}

impl Plan {
    /// Returns whether the plan uses the index.
    pub fn uses(&self, index: &str) -> bool {
        self.indexes.iter().any(|used| used == index)
    }

    /// Adds the answer of PostgreSQL to an EXPLAIN.
    pub(super) fn add_postgres(&mut self, rows: Vec<(String,)>) -> Result<()> {
        for (text,) in rows {
            let json: Json = serde_json::from_str(&text).map_err(|error| {
                Error::new(ErrorDetail::Decode {
                    column: "the plan".to_owned(),
                    expected: "JSON".to_owned(),
                    found: error.to_string(),
                })
            })?;
            self.indexes.extend(postgres_indexes(&json));
            outline(&json, 0, &mut self.outline);
            if let Some(pages) = pages(&json) {
                *self.pages.get_or_insert_default() += pages;
            }
            self.text.push_str(&text);
        }
        Ok(())
    }

    /// Adds the answer of SQLite to an EXPLAIN.
    pub(super) fn add_sqlite(&mut self, rows: Vec<(i64, i64, i64, String)>) {
        for (_, _, _, detail) in rows {
            if let Some(name) = detail.split_once("USING ").map(|(_, rest)| rest) {
                let name = name.trim_start_matches("COVERING ");
                if let Some(name) = name.strip_prefix("INDEX ") {
                    self.indexes.extend(name.split(' ').next().map(str::to_owned));
                } else if name.starts_with("INTEGER PRIMARY KEY") {
                    self.indexes.push("INTEGER PRIMARY KEY".to_owned());
                }
            }
            for text in [&mut self.text, &mut self.outline] {
                text.push_str(&detail);
                text.push('\n');
            }
        }
    }
}

/// Returns the names of the indexes in an answer of PostgreSQL to `EXPLAIN (FORMAT JSON)`, in the order of the plan.
#[doc(hidden)]
pub fn postgres_indexes(explained: &Json) -> Vec<String> {
    let mut indexes = Vec::new();
    collect_indexes(explained, &mut indexes);
    indexes
}

fn collect_indexes(node: &Json, into: &mut Vec<String>) {
    match node {
        Json::Object(fields) => {
            if let Some(Json::String(name)) = fields.get("Index Name") {
                into.push(name.clone());
            }
            fields.values().for_each(|value| collect_indexes(value, into));
        }
        Json::Array(items) => items.iter().for_each(|item| collect_indexes(item, into)),
        _ => {}
    }
}

/// Returns the shared buffers that a statement touched. The outermost node includes those of its children.
fn pages(plan: &Json) -> Option<u64> {
    let outermost = plan.get(0)?.get("Plan")?;
    let blocks = |name: &str| outermost.get(name).and_then(Json::as_u64);
    Some(blocks("Shared Hit Blocks")? + blocks("Shared Read Blocks")?)
}

/// Writes one line per node, with children indented.
fn outline(node: &Json, depth: usize, into: &mut String) {
    let children = |node: &Json, depth, into: &mut String| {
        for child in node.as_array().into_iter().flatten() {
            outline(child, depth, into);
        }
    };
    let text = |name: &str| node.get(name).and_then(Json::as_str);
    let number = |name: &str| node.get(name).and_then(Json::as_f64).unwrap_or_default();
    if node.is_array() {
        children(node, depth, into);
    } else if let Some(plan) = node.get("Plan") {
        outline(plan, depth, into);
    } else if let Some(kind) = text("Node Type") {
        // Writing to a string cannot fail.
        let _ = write!(into, "{:indent$}{kind}", "", indent = depth * 2);
        let _ = text("Index Name").map(|name| write!(into, " using {name}"));
        let _ = text("Relation Name").map(|name| write!(into, " on {name}"));
        let _ = writeln!(into, " (cost {:.0}, rows {:.0})", number("Total Cost"), number("Plan Rows"));
        if let Some(inner) = node.get("Plans") {
            children(inner, depth + 1, into);
        }
    }
}
