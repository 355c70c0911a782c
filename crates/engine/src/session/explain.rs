//! How the database would run a statement, by its own account.

use std::fmt::Write;

use serde_json::Value as Json;

use super::access::sealed::Sealed;
use super::{Counts, Session};
use crate::call::Call;
use crate::error::{Error, Kind, Result};
use crate::query::{Batch, ReadBatch, all, check, queries};
use crate::settings::Engine;
use crate::statement::Statement;
use crate::value::Value;

/// The plan of a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// The names of the indexes it uses, in the order of the plan. SQLite calls a lookup by its integer
    /// primary key `INTEGER PRIMARY KEY`.
    pub indexes: Vec<String>,
    /// The plan as the database prints it.
    pub text: String,
    /// The steps of the plan in a line each, without conditions and so without values.
    pub outline: String,
    /// The pages of tables and indexes that the statement touched, where it was run to see
    /// ([`Explainer::analyzing`]) and the database counts them: on PostgreSQL, its shared buffers.
    pub pages: Option<u64>,
}

impl Plan {
    /// Whether it uses the index.
    pub fn uses(&self, index: &str) -> bool {
        self.indexes.iter().any(|used| used == index)
    }
}

/// A session that asks the database, before each batch, how it would run it.
///
/// Code that takes any session can so be asked for its plans without being changed:
///
/// ```
/// # use tallybook_engine::{Database, Explainer, Result, Session, Settings, all, execute, params};
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
    how: How,
}

/// Whether a statement is run to see what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Plan,
    Analyze,
}

impl<'s, S> Explainer<'s, S> {
    /// Wraps a session.
    pub fn new(session: &'s mut S) -> Self {
        Self { session, plan: Plan::default(), how: How::Plan }
    }

    /// As [`Explainer::new`]; where the database offers it (`EXPLAIN ANALYZE`), each statement is also run for
    /// its plan, so once more, and the pages it touches are counted.
    pub fn analyzing(session: &'s mut S) -> Self {
        Self { how: How::Analyze, ..Self::new(session) }
    }

    /// The plans of all batches so far, as one.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

impl<S> Sealed for Explainer<'_, S> {}

impl<S: Session> Session for Explainer<'_, S> {
    async fn fetch<B: ReadBatch>(&mut self, mut batch: B) -> Result<B::Output> {
        explain(self.session, &mut batch, self.how, &mut self.plan).await?;
        self.session.fetch(batch).await
    }

    async fn explain<B: ReadBatch>(&mut self, query: B) -> Result<Plan> {
        self.session.explain(query).await
    }

    fn counts(&self) -> Counts {
        self.session.counts()
    }

    fn engine(&self) -> Engine {
        self.session.engine()
    }
}

/// Asks for the plan of each query of a batch, which stays as it is.
pub(super) async fn explain<S: Session, B: ReadBatch>(
    session: &mut S,
    batch: &mut B,
    how: How,
    plan: &mut Plan,
) -> Result<()> {
    check(batch)?;
    let requests: Vec<(Statement, Vec<Value>, Call)> = queries(batch)
        .into_iter()
        .map(|query| {
            let request = query.request();
            (request.statement.clone(), request.values().to_vec(), request.call)
        })
        .collect();
    for (statement, values, call) in requests {
        explain_one(session, &explained(&statement, how), values, call, plan).await?;
    }
    Ok(())
}

/// Asks for the plan of one statement, by a text that [`explained`] made.
pub(super) async fn explain_one<S: Session>(
    session: &mut S,
    statement: &Statement,
    values: Vec<Value>,
    call: Call,
    plan: &mut Plan,
) -> Result<()> {
    match session.engine() {
        Engine::Postgres => postgres(plan, session.fetch(all(statement, values).called(call)).await?)?,
        Engine::Sqlite => sqlite(plan, session.fetch(all(statement, values).called(call)).await?),
    }
    Ok(())
}

/// The statement that asks for the plan of another.
pub(super) fn explained(statement: &Statement, how: How) -> Statement {
    statement.map(|engine, sql| match (engine, how) {
        (Engine::Postgres, How::Plan) => format!("EXPLAIN (FORMAT JSON) {sql}"),
        (Engine::Postgres, How::Analyze) => {
            format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}")
        }
        (Engine::Sqlite, _) => format!("EXPLAIN QUERY PLAN {sql}"),
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

/// The shared buffers that a statement touched; its outermost node counts those of all others.
fn pages(plan: &Json) -> Option<u64> {
    let outermost = plan.get(0)?.get("Plan")?;
    let blocks = |name: &str| outermost.get(name).and_then(Json::as_u64);
    Some(blocks("Shared Hit Blocks")? + blocks("Shared Read Blocks")?)
}

/// A line for each node, children further in.
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
        // Writing to a string can't fail.
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
