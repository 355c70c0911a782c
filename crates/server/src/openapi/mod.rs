//! The OpenAPI 3.1 document, written from the endpoints themselves.

mod page;
pub(crate) mod schema;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

pub use page::openapi;
pub(crate) use page::{endpoints as page_endpoints, open};

use crate::book::{FILL_FIELDS, REVERSAL_FIELDS, STATUS_FIELDS, batch_fields};
use crate::endpoint::{Endpoint, Parameter, Success};
use crate::request::Kind;
use crate::resource::{Creatable, Patchable, created_fields, patched_fields};
use tallybook::book::{Execution, Portfolio, Position, Trade, TradingSession};

const DESCRIPTION: &str = "Portfolios, positions, trades, executions and trading sessions. Decimals are strings, times are RFC 3339 \
    in UTC, identifiers are numbers. A word that is not known yet is carried through, so do not refuse one. Failed requests \
    are answered with `application/problem+json` (RFC 9457).";

/// Returns the document of the endpoints.
pub(crate) fn document(endpoints: &[Endpoint]) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for endpoint in endpoints {
        let method = endpoint.method.as_str().to_ascii_lowercase();
        paths.entry(&endpoint.path).or_default().insert(method, operation(endpoint));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tallybook",
            "version": "1.0.0",
            "description": DESCRIPTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "responses": problems(),
            "headers": headers(),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let mut responses = Map::new();
    for success in &endpoint.answers {
        responses.insert(success.status.as_str().to_owned(), answer(success));
    }
    let everywhere = match endpoint.scope {
        Some(_) => Kind::EVERYWHERE,
        None => &[],
    };
    let of_body = if endpoint.body.is_some() { Kind::OF_BODIES } else { &[] };
    let takes_key = endpoint.parameters.iter().any(|parameter| parameter.name == schema::KEY_HEADER);
    let of_key = if takes_key { Kind::OF_KEYS } else { &[] };
    for kind in [&endpoint.problems, everywhere, of_body, of_key].into_iter().flatten() {
        // Kinds share statuses; the response of the status lists them.
        let name = kind.status.as_str();
        responses.insert(name.to_owned(), json!({ "$ref": format!("#/components/responses/{name}") }));
    }
    let mut operation = json!({
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "parameters": endpoint.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "responses": responses,
    });
    let mut docs = endpoint.docs.clone();
    if let Some(scope) = endpoint.scope {
        docs = format!("{docs} Needs the scope `{scope}`.").trim().to_owned();
    }
    if !docs.is_empty() {
        operation["description"] = docs.into();
    }
    if let Some(schema) = &endpoint.body {
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

fn parameter(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.is_required,
        "description": parameter.docs,
        "schema": parameter.schema,
    })
}

fn answer(success: &Success) -> Value {
    let mut answer = json!({ "description": success.docs });
    if let Some((media_type, schema)) = &success.body {
        answer["content"] = json!({ *media_type: { "schema": schema } });
    }
    let headers: Map<_, _> = success
        .headers
        .iter()
        .map(|name| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") })))
        .collect();
    if !headers.is_empty() {
        answer["headers"] = headers.into();
    }
    answer
}

fn schemas() -> Value {
    let mut all = Map::new();
    let mut add = |name: &str, schema: Value| all.insert(name.to_owned(), schema);
    let trades = [("executions", "Execution")];
    add(
        "Portfolio",
        schema::row::<Portfolio>(&[
            ("positions", "Position"),
            ("trades", "Trade"),
            ("sessions", "TradingSession"),
        ]),
    );
    add("Position", schema::row::<Position>(&[]));
    add("Trade", schema::row::<Trade>(&trades));
    add("Execution", schema::row::<Execution>(&[]));
    add("TradingSession", schema::row::<TradingSession>(&[("trades", "Trade")]));
    add("NewPortfolio", new::<Portfolio>());
    add("NewTrade", new::<Trade>());
    add("NewTradingSession", new::<TradingSession>());
    add("PortfolioChanges", changes::<Portfolio>());
    add("PositionChanges", changes::<Position>());
    add("TradeChanges", changes::<Trade>());
    add("TradingSessionChanges", changes::<TradingSession>());
    add("NewStatus", schema::object(STATUS_FIELDS, true));
    add("Fill", schema::object(FILL_FIELDS, true));
    add("FillOfTrade", schema::object(&batch_fields(), true));
    add("Reversal", schema::object(REVERSAL_FIELDS, true));
    add(
        "Recorded",
        json!({
            "type": "object",
            "description": "An execution, and what it changed.",
            "required": ["execution", "trade", "position", "is_repeat"],
            "properties": {
                "execution": schema::reference("Execution"),
                "trade": schema::reference("Trade"),
                "position": { "oneOf": [schema::reference("Position"), { "type": "null" }] },
                "is_repeat": { "type": "boolean", "description": "True if the execution was recorded before." },
            },
        }),
    );
    add("Problem", problem_schema());
    all.into()
}

fn new<T: Creatable>() -> Value {
    schema::object(&created_fields::<T>(), true)
}

fn changes<T: Patchable>() -> Value {
    schema::object(&patched_fields::<T>(), true)
}

fn problem_schema() -> Value {
    let types: Vec<_> = Kind::ALL.iter().map(|kind| format!("urn:tallybook:problem:{}", kind.name)).collect();
    json!({
        "type": "object",
        "description": "A request that was not done, as RFC 9457 describes it.",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string", "examples": types },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "errors": {
                "type": "array",
                "description": "Each mistake, with its place.",
                "items": {
                    "type": "object",
                    "required": ["detail"],
                    "properties": {
                        "pointer": { "type": "string", "description": "JSON pointer into the body." },
                        "parameter": { "type": "string", "description": "Name of a parameter or a header." },
                        "detail": { "type": "string" },
                    },
                },
            },
        },
    })
}

/// Returns a response for each status, with the titles of its kinds.
fn problems() -> Value {
    let mut titles: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in Kind::ALL {
        titles.entry(kind.status.as_str()).or_default().push(kind.title);
    }
    let responses = titles.into_iter().map(|(status, titles)| {
        let response = json!({
            "description": titles.join("; "),
            "content": { "application/problem+json": { "schema": schema::reference("Problem") } },
        });
        (status.to_owned(), response)
    });
    Value::Object(responses.collect())
}

fn headers() -> Value {
    let header = |docs: &str| json!({ "description": docs, "schema": { "type": "string" } });
    json!({
        "ETag": header("The tag of the content, for `If-None-Match` and `If-Match`."),
        "Link": header("The address of the next page, with `rel=\"next\"`."),
        "Location": header("The path of the new row."),
        "X-Tallybook-Token": header("Send it with reads that must see this write."),
    })
}
