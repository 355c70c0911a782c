//! How the database would run a statement, by its own account.

use serde_json::Value as Json;

use super::Session;
use crate::error::{Error, Kind, Result};
use crate::query::{ReadBatch, all, queries};
use crate::settings::Engine;
use crate::statement::Statement;
use crate::value::Params;

/// The plan of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
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

pub(super) async fn run<S: Session, B: ReadBatch>(session: &mut S, mut query: B) -> Result<Plan> {
    let mut plan = Plan { indexes: Vec::new(), text: String::new() };
    let requests: Vec<(Statement, Params)> = queries(&mut query)
        .into_iter()
        .map(|query| {
            let request = query.request();
            let params = std::mem::replace(&mut request.params, Ok(Vec::new()));
            (explained(&request.statement), Params::from(params))
        })
        .collect();
    for (statement, params) in requests {
        match session.engine() {
            Engine::Postgres => postgres(&mut plan, session.fetch(all(statement, params)).await?)?,
            Engine::Sqlite => sqlite(&mut plan, session.fetch(all(statement, params)).await?),
        }
    }
    Ok(plan)
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
                row: None,
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
