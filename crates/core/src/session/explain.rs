//! Query plans.

use std::fmt::Write;

use serde_json::Value as Json;
use tallybook_sql::call_site::CallSite;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Kind, Result};
use tallybook_sql::query::{Batch, ReadBatch, all, check, queries};
use tallybook_sql::statement::Statement;
use tallybook_sql::value::Value;

use super::access::sealed::Sealed;
use super::{Counts, Session};

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
    /// [`Explainer::analyzing`] on PostgreSQL.
    pub pages: Option<u64>,
}

impl Plan {
    /// Returns whether the plan uses the index.
    pub fn uses(&self, index: &str) -> bool {
        self.indexes.iter().any(|used| used == index)
    }
}

/// A session that collects the plan of each batch before running it.
///
/// Wrap a session to see the plans of existing code without changing it:
///
/// ```
/// # use tallybook::{Database, Explainer, Result, Session, Settings, all, execute, params};
/// async fn titles(session: &mut impl Session) -> Result<Vec<(String,)>> {
///     session.fetch(all("SELECT title FROM notes WHERE id = $1", params![1])).await
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<()> {
/// # let db = Database::open(Settings::new("sqlite::memory:")?).await?;
/// # db.write(async |session| -> Result<u64> {
/// #     session.run(execute("CREATE TABLE notes (id integer primary key, title text)", params![])).await
/// # }).await?.into_value();
/// let mut session = db.read().await?;
/// let mut explainer = Explainer::new(&mut session);
/// titles(&mut explainer).await?;
/// assert!(explainer.plan().uses("INTEGER PRIMARY KEY"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Explainer<'s, S> {
    session: &'s mut S,
    plan: Plan,
    mode: ExplainMode,
}

/// Whether EXPLAIN also runs the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExplainMode {
    Plan,
    Analyze,
}

impl<'s, S> Explainer<'s, S> {
    /// Wraps a session. Each statement costs one more round trip.
    pub fn new(session: &'s mut S) -> Self {
        Self { session, plan: Plan::default(), mode: ExplainMode::Plan }
    }

    /// Wraps a session and uses `EXPLAIN ANALYZE` where the database has it. Each statement then runs twice,
    /// and the pages that it touches are counted.
    pub fn analyzing(session: &'s mut S) -> Self {
        Self { mode: ExplainMode::Analyze, ..Self::new(session) }
    }

    /// Returns the plans of all batches so far, as one.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

impl<S> Sealed for Explainer<'_, S> {}

impl<S: Session> Session for Explainer<'_, S> {
    async fn fetch<B: ReadBatch>(&mut self, mut batch: B) -> Result<B::Output> {
        explain(self.session, &mut batch, self.mode, &mut self.plan).await?;
        self.session.fetch(batch).await
    }

    async fn explain<B: ReadBatch>(&mut self, query: B) -> Result<Plan> {
        self.session.explain(query).await
    }

    fn counts(&self) -> Counts {
        self.session.counts()
    }

    fn dialect(&self) -> Dialect {
        self.session.dialect()
    }
}

/// Collects the plan of each query of a batch and leaves the batch unchanged.
pub(super) async fn explain<S: Session, B: ReadBatch>(
    session: &mut S,
    batch: &mut B,
    mode: ExplainMode,
    plan: &mut Plan,
) -> Result<()> {
    check(batch)?;
    let requests: Vec<(Statement, Vec<Value>, CallSite)> = queries(batch)
        .into_iter()
        .map(|query| {
            let request = query.request();
            (request.statement.clone(), request.values().to_vec(), request.call_site)
        })
        .collect();
    for (statement, values, call) in requests {
        explain_one(session, &explained(&statement, mode), values, call, plan).await?;
    }
    Ok(())
}

/// Collects the plan of one statement. `statement` is the result of [`explained`].
pub(super) async fn explain_one<S: Session>(
    session: &mut S,
    statement: &Statement,
    values: Vec<Value>,
    call: CallSite,
    plan: &mut Plan,
) -> Result<()> {
    match session.dialect() {
        Dialect::Postgres => postgres(plan, session.fetch(all(statement, values).called(call)).await?)?,
        Dialect::Sqlite => sqlite(plan, session.fetch(all(statement, values).called(call)).await?),
    }
    Ok(())
}

/// Returns the statement that explains another one.
pub(super) fn explained(statement: &Statement, mode: ExplainMode) -> Statement {
    statement.map(|dialect, sql| match (dialect, mode) {
        (Dialect::Postgres, ExplainMode::Plan) => format!("EXPLAIN (FORMAT JSON) {sql}"),
        (Dialect::Postgres, ExplainMode::Analyze) => {
            format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}")
        }
        (Dialect::Sqlite, _) => format!("EXPLAIN QUERY PLAN {sql}"),
    })
}

fn postgres(plan: &mut Plan, rows: Vec<(String,)>) -> Result<()> {
    for (text,) in rows {
        let json: Json = serde_json::from_str(&text).map_err(|error| {
            Error::new(Kind::Decode {
                column: "the plan".to_owned(),
                expected: "JSON".to_owned(),
                found: error.to_string(),
            })
        })?;
        collect_indexes(&json, &mut plan.indexes);
        outline(&json, 0, &mut plan.outline);
        if let Some(pages) = pages(&json) {
            *plan.pages.get_or_insert_default() += pages;
        }
        plan.text.push_str(&text);
    }
    Ok(())
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

fn sqlite(plan: &mut Plan, rows: Vec<(i64, i64, i64, String)>) {
    for (_, _, _, detail) in rows {
        if let Some(name) = detail.split_once("USING ").map(|(_, rest)| rest) {
            let name = name.trim_start_matches("COVERING ");
            if let Some(name) = name.strip_prefix("INDEX ") {
                plan.indexes.extend(name.split(' ').next().map(str::to_owned));
            } else if name.starts_with("INTEGER PRIMARY KEY") {
                plan.indexes.push("INTEGER PRIMARY KEY".to_owned());
            }
        }
        for text in [&mut plan.text, &mut plan.outline] {
            text.push_str(&detail);
            text.push('\n');
        }
    }
}
