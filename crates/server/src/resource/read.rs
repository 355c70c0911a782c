//! `GET /v1/trades/{id}`: a row, with the relations that the client names.

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use axum::routing::get;
use tallybook::tables::{Error, Include, Repository};

use super::{Resource, base, include_parameter, most_statements, path, row_answer};
use crate::app::App;
use crate::endpoint::Endpoint;
use crate::openapi::schema;
use crate::request::{Consistency, Kind, Parameters, PathId, Problem, etag, to_json};

pub(super) fn endpoint<T: Resource>() -> Endpoint {
    let mut endpoint = base::<T>(Method::GET, path::<T>("/{id}"), format!("get{}", T::ROW), get(read::<T>));
    endpoint.summary = format!("Returns a {}", T::NOUN);
    endpoint.docs = "One round trip and one snapshot, with all relations that `include` names.".to_owned();
    endpoint.most = (most_statements::<T>(), 1);
    endpoint.parameters = [schema::id_parameter()].into_iter().chain(include_parameter::<T>()).collect();
    endpoint.parameters.extend(schema::reading_headers());
    endpoint.answers = vec![
        row_answer::<T>(StatusCode::OK, "The row, with the relations that were asked for", &["ETag"]),
        schema::not_modified(),
    ];
    endpoint.problems.push(Kind::NOT_FOUND);
    endpoint
}

async fn read<T: Resource>(
    State(app): State<App>,
    PathId(id): PathId<T>,
    consistency: Consistency,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let include = include::<T>(&mut parameters);
    parameters.finish()?;
    let mut session = consistency.read(&app).await?;
    let row = Repository::<_, T>::new(&mut session).including(include).load(id).await?;
    drop(session);
    let row = row.ok_or_else(|| Error::missing::<T>(id))?;
    etag::answer(&headers, to_json(&row)?)
}

/// Takes the parameter `include`.
pub(super) fn include<T: Resource>(parameters: &mut Parameters) -> Include<T::View> {
    let Some(text) = parameters.text("include") else { return Include::none() };
    match text.parse() {
        Ok(include) => include,
        Err(unknown) => {
            parameters.refuse("include", unknown.to_string());
            Include::none()
        }
    }
}
