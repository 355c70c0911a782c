//! Logging in and out.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::answer;
use super::shared::Dashboard;
use crate::request::{Kind, Problem};

/// Stands in the page for the reason why a log-in failed.
const MESSAGE: &str = "{{message}}";

#[derive(Deserialize)]
pub(super) struct Login {
    token: String,
}

/// Answers with the form.
pub(super) fn login_page(status: StatusCode, message: &str) -> Response {
    answer::page(status, "login.html", &[(MESSAGE, message)])
}

pub(super) async fn log_in(
    State(dashboard): State<Dashboard>,
    uri: Uri,
    headers: HeaderMap,
    form: Result<Form<Login>, FormRejection>,
) -> Response {
    if let Err(problem) = dashboard.guard.check_host(&uri, &headers) {
        return problem.into_response();
    }
    let Ok(Form(Login { token })) = form else {
        return login_page(StatusCode::BAD_REQUEST, "Type a token.");
    };
    match dashboard.guard.log_in(&token).await {
        Ok(cookie) => to_the_page(cookie),
        Err(problem) => failed(problem),
    }
}

pub(super) async fn log_out(State(dashboard): State<Dashboard>, uri: Uri, headers: HeaderMap) -> Response {
    match dashboard.guard.check_host(&uri, &headers) {
        Ok(()) => to_the_page(dashboard.guard.log_out(&headers)),
        Err(problem) => problem.into_response(),
    }
}

fn to_the_page(cookie: String) -> Response {
    // Relative to the path of the form, so that it works below any prefix.
    (StatusCode::SEE_OTHER, [(LOCATION, "./".to_owned()), (SET_COOKIE, cookie)]).into_response()
}

fn failed(problem: Problem) -> Response {
    let kind = problem.kind();
    let message = match kind {
        Kind::NOT_AUTHENTICATED => "The token is not valid, or it was revoked.",
        Kind::NOT_ALLOWED => "The token needs the scope admin.",
        _ => return problem.into_response(),
    };
    login_page(kind.status, message)
}
