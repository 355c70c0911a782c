//! The handlers of the figures.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::guard::Permission;
use super::revisions::Revisions;
use super::shared::Dashboard;
use super::statement_page::statement_page;
use super::{advice, doctor, event_stream, plan};
use crate::listen::Ending;
use crate::request::{Kind, Problem, json, to_json};

pub(super) async fn events(
    State(dashboard): State<Dashboard>,
    Extension(permission): Extension<Permission>,
    ending: Option<Extension<Ending>>,
) -> Result<Response, Problem> {
    dashboard.sampled.first().await;
    let full = || Problem::new(Kind::OVERLOADED, "as many viewers look as the dashboard takes; try again");
    let viewer = dashboard.sampled.live.join().ok_or_else(full)?;
    Ok(event_stream::answer(viewer, permission, ending.map(|Extension(ending)| ending)))
}

pub(super) async fn statement(
    State(dashboard): State<Dashboard>,
    Path(fingerprint): Path<String>,
) -> Result<Response, Problem> {
    dashboard.sampled.first().await;
    Ok(json(StatusCode::OK, statement_page(&dashboard.sampled.live, &fingerprint)?))
}

pub(super) async fn plan(
    State(dashboard): State<Dashboard>,
    Path(fingerprint): Path<String>,
) -> Result<Response, Problem> {
    let db = dashboard.database()?;
    let explained = dashboard.ask(plan::explain(db, &fingerprint)).await?;
    Ok(json(StatusCode::OK, to_json(&explained)?))
}

pub(super) async fn doctor(State(dashboard): State<Dashboard>) -> Result<Response, Problem> {
    let db = dashboard.database()?;
    let examination = dashboard.ask(async { Ok(doctor::examine(db).await) }).await?;
    dashboard.sampled.live.looked().saw_examination(&examination);
    Ok(json(StatusCode::OK, to_json(&examination)?))
}

pub(super) async fn revisions(State(dashboard): State<Dashboard>) -> Result<Response, Problem> {
    let db = dashboard.database()?;
    let revisions = dashboard.ask(Revisions::read(db)).await?;
    dashboard.sampled.live.looked().saw_revisions(&revisions);
    Ok(json(StatusCode::OK, to_json(&revisions)?))
}

pub(super) async fn advice(State(dashboard): State<Dashboard>) -> Result<Response, Problem> {
    let db = dashboard.database()?;
    let advised = dashboard.ask(advice::look(db)).await?;
    Ok(json(StatusCode::OK, to_json(&advised)?))
}
