//! `POST /v1/trades` and `POST /v1/trades/batch`: new rows, all of a request or none.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::post;
use serde_json::json;
use tallybook::WriteSession;
use tallybook::tables::Repository;

use super::{Creatable, MAX_ROWS, base, path, row_answer};
use crate::app::App;
use crate::change::{Change, ChangeRequest, Made};
use crate::endpoint::{Endpoint, Success};
use crate::openapi::schema;
use crate::request::field::{Field, checked, checked_rows, decode, decode_rows};
use crate::request::{Kind, Problem, object, objects};

const NEW_HEADERS: &[&str] = &["ETag", "Location", "X-Tallybook-Token"];

pub(super) fn endpoint<T: Creatable>() -> Endpoint {
    let mut endpoint = base::<T>(Method::POST, path::<T>(""), format!("create{}", T::ROW), post(create::<T>));
    endpoint.summary = format!("Creates a {}", T::NOUN);
    // The looks for an earlier answer before and, in a conflict, after; the row, and the journal.
    endpoint.most = (4, 4);
    endpoint.parameters = vec![schema::key_header(true)];
    endpoint.body = Some(schema::reference(&format!("New{}", T::ROW)));
    endpoint.answers = vec![row_answer::<T>(StatusCode::CREATED, "The new row", NEW_HEADERS)];
    endpoint.problems.extend([Kind::NO_KEY, Kind::CONFLICT]);
    endpoint
}

pub(super) fn batch_endpoint<T: Creatable>() -> Endpoint {
    let name = format!("create{}s", T::ROW);
    let mut endpoint = base::<T>(Method::POST, path::<T>("/batch"), name, post(create_many::<T>));
    endpoint.summary = format!("Creates up to {MAX_ROWS} {}s, all or none", T::NOUN);
    endpoint.most = (3 + MAX_ROWS as u64, 4);
    endpoint.parameters = vec![schema::key_header(true)];
    let new = schema::reference(&format!("New{}", T::ROW));
    endpoint.body = Some(json!({ "type": "array", "items": new, "minItems": 1, "maxItems": MAX_ROWS }));
    endpoint.answers = vec![Success {
        status: StatusCode::CREATED,
        docs: "The new rows, in the order of the request",
        body: Some(("application/json", schema::rows(T::ROW))),
        headers: &["X-Tallybook-Token"],
    }];
    endpoint.problems.extend([Kind::NO_KEY, Kind::CONFLICT]);
    endpoint
}

/// Returns the fields of a new row.
pub(crate) fn fields<T: Creatable>() -> Vec<Field> {
    let given = Field::of::<T>().filter(|field| T::GIVEN.contains(&field.name));
    given
        .map(|field| Field { is_above_zero: T::ABOVE_ZERO.contains(&field.name), ..field.written() })
        .collect()
}

/// The creation of a row.
struct NewRow<T: Creatable>(T::New);

impl<T: Creatable> Change for NewRow<T> {
    async fn make(&self, session: &mut WriteSession) -> Result<Made, Problem> {
        Made::row(StatusCode::CREATED, &Repository::<_, T>::new(session).create(&self.0).await?)
    }
}

/// The creation of many rows.
struct NewRows<T: Creatable>(Vec<T::New>);

impl<T: Creatable> Change for NewRows<T> {
    async fn make(&self, session: &mut WriteSession) -> Result<Made, Problem> {
        let rows = Repository::<_, T>::new(session).create_many(&self.0).await?;
        Made::new(StatusCode::CREATED, &json!({ "rows": rows }))
    }
}

async fn create<T: Creatable>(State(app): State<App>, request: ChangeRequest) -> Result<Response, Problem> {
    request.needs_key()?;
    let mut new = checked(object(request.json()?)?, &fields::<T>())?;
    T::complete(&mut new);
    request.run(&app, &NewRow::<T>(decode(new)?)).await
}

async fn create_many<T: Creatable>(
    State(app): State<App>,
    request: ChangeRequest,
) -> Result<Response, Problem> {
    request.needs_key()?;
    let mut new = checked_rows(objects(request.json()?, MAX_ROWS)?, &fields::<T>())?;
    new.iter_mut().for_each(T::complete);
    request.run(&app, &NewRows::<T>(decode_rows(new)?)).await
}
