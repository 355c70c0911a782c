//! The life of a request, from its header to its answer, for all endpoints alike.

mod admission;
mod body;
mod consistency;
pub(crate) mod etag;
pub(crate) mod field;
mod host;
mod id;
mod life;
mod parameters;
mod problem;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

pub(crate) use admission::Admission;
pub(crate) use body::{Bodies, object, objects, parse};
pub(crate) use consistency::{Consistency, TOKEN};
pub(crate) use host::Hosts;
pub(crate) use id::{REQUEST_ID, RequestId};
pub(crate) use life::{Rules, Tries, live};
pub(crate) use parameters::{Parameters, PathId, parse_id};
pub(crate) use problem::{Kind, Problem};

/// Returns an answer in JSON.
pub(crate) fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = (status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Writes a value as JSON.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(|error| {
        tracing::error!(target: "tallybook::server", reason = %error, "a row cannot be written as JSON");
        Problem::new(Kind::INTERNAL, "a row cannot be written as JSON; the log of the service has the reason")
    })
}
