//! How the database would run a statement, by its own account.

use serde_json::Value as Json;

use super::access::sealed::Sealed;
use super::{Counts, Session};
use crate::error::{Error, Kind, Result};
use crate::query::{ReadBatch, all, check, queries};
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
}

impl<'s, S> Explainer<'s, S> {
    /// Wraps a session.
    pub fn new(session: &'s mut S) -> Self {
        Self { session, plan: Plan::default() }
    }

    /// The plans of all batches so far, as one.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

impl<S> Sealed for Explainer<'_, S> {}

impl<S: Session> Session for Explainer<'_, S> {
    async fn fetch<B: ReadBatch>(&mut self, mut batch: B) -> Result<B::Output> {
        explain(self.session, &mut batch, &mut self.plan).await?;
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
    plan: &mut Plan,
) -> Result<()> {
    check(batch)?;
    let requests: Vec<(Statement, Vec<Value>)> = queries(batch)
        .into_iter()
        .map(|query| {
            let request = query.request();
            (explained(&request.statement), request.values().to_vec())
        })
        .collect();
    for (statement, values) in requests {
        match session.engine() {
            Engine::Postgres => postgres(plan, session.fetch(all(statement, values)).await?)?,
            Engine::Sqlite => sqlite(plan, session.fetch(all(statement, values)).await?),
        }
    }
    Ok(())
}

fn explained(statement: &Statement) -> Statement {
    statement.map(|engine, sql| match engine {
        Engine::Postgres => format!("EXPLAIN (FORMAT JSON) {sql}"),
        Engine::Sqlite => format!("EXPLAIN QUERY PLAN {sql}"),
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
        plan.text.push_str(&detail);
        plan.text.push('\n');
    }
}
