//! `GET /v1/trades/many?ids=7,8,9`: the rows with certain identifiers.

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::json;
use tallybook::tables::{IdOf, Repository};

use super::read::include;
use super::{MAX_ROWS, Resource, base, include_parameter, most_statements, path};
use crate::app::App;
use crate::endpoint::{Endpoint, Parameter, Success};
use crate::openapi::schema;
use crate::request::{Consistency, Parameters, Problem, etag, parse_id, to_json};

pub(super) fn endpoint<T: Resource>() -> Endpoint {
    let name = format!("get{}s", T::ROW);
    let mut endpoint = base::<T>(Method::GET, path::<T>("/many"), name, get(many::<T>));
    endpoint.summary = format!("Returns the {}s with certain identifiers", T::NOUN);
    endpoint.docs = "In the order of the identifiers; missing ones are left out. One round trip and one snapshot, with all relations \
        that `include` names."
        .to_owned();
    endpoint.most = (most_statements::<T>(), 1);
    endpoint.parameters = vec![Parameter {
        name: "ids",
        place: "query",
        is_required: true,
        docs: format!("Up to {MAX_ROWS} identifiers with commas between them."),
        schema: json!({ "type": "string", "pattern": "^(0|-?[1-9][0-9]{0,17})(,(0|-?[1-9][0-9]{0,17})){0,999}$" }),
    }];
    endpoint.parameters.extend(include_parameter::<T>());
    endpoint.parameters.extend(schema::reading_headers());
    endpoint.answers = vec![
        Success {
            status: StatusCode::OK,
            docs: "The rows",
            body: Some(("application/json", schema::rows(T::ROW))),
            headers: &["ETag"],
        },
        schema::not_modified(),
    ];
    endpoint
}

async fn many<T: Resource>(
    State(app): State<App>,
    consistency: Consistency,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let include = include::<T>(&mut parameters);
    let ids = parameters.text("ids").unwrap_or_default();
    let ids: Option<Vec<_>> = ids.split(',').map(|id| parse_id(id).map(IdOf::<T>::from)).collect();
    let ids = ids.filter(|ids| ids.len() <= MAX_ROWS).unwrap_or_else(|| {
        parameters
            .refuse("ids", format!("must be up to {MAX_ROWS} integers of 64 bits with commas between them"));
        Vec::new()
    });
    parameters.finish()?;
    let mut session = consistency.read(&app).await?;
    let rows = Repository::<_, T>::new(&mut session).including(include).load_many(&ids).await?;
    drop(session);
    etag::answer(&headers, to_json(&json!({ "rows": rows }))?)
}
