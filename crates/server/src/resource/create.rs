//! `POST /v1/trades` and `POST /v1/trades/batch`: new rows, all of a request or none.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::post;
use serde_json::{Map, Value, json};
use tallybook::WriteSession;
use tallybook::tables::Repository;

use super::{Creatable, MAX_ROWS, base, path, row_answer};
use crate::app::App;
use crate::change::{Change, ChangeRequest, Made};
use crate::endpoint::{Endpoint, Success};
use crate::openapi::schema;
use crate::request::field::{Field, check, decode};
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
    endpoint.problems.extend(problems());
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
    endpoint.problems.extend(problems());
    endpoint
}

fn problems() -> [Kind; 5] {
    [Kind::BAD_JSON, Kind::NO_KEY, Kind::CONFLICT, Kind::MEDIA_TYPE, Kind::INVALID]
}

/// Returns the fields of a new row.
pub(crate) fn fields<T: Creatable>() -> Vec<Field> {
    let given = Field::of::<T>().filter(|field| T::GIVEN.contains(&field.name));
    given
        .map(|field| Field { is_above_zero: T::ABOVE_ZERO.contains(&field.name), ..field.written() })
        .collect()
}

/// The creation of rows.
struct Creation<T: Creatable> {
    new: Vec<T::New>,
    is_batch: bool,
}

impl<T: Creatable> Change for Creation<T> {
    async fn make(&self, session: &mut WriteSession) -> Result<Made, Problem> {
        let mut rows = Repository::<_, T>::new(session);
        match &*self.new {
            [new] if !self.is_batch => Made::new(StatusCode::CREATED, &rows.create(new).await?),
            all => Made::new(StatusCode::CREATED, &json!({ "rows": rows.create_many(all).await? })),
        }
    }
}

/// Reads new rows. Every mistake of every row is named.
fn new_rows<T: Creatable>(
    mut objects: Vec<Map<String, Value>>,
    is_batch: bool,
) -> Result<Vec<T::New>, Problem> {
    let fields = fields::<T>();
    let mut mistakes = Vec::new();
    let pointer = |row: usize| if is_batch { format!("/{row}") } else { String::new() };
    for (row, object) in objects.iter_mut().enumerate() {
        check(object, &fields, &pointer(row), &mut mistakes);
    }
    if !mistakes.is_empty() {
        return Err(Problem::with_mistakes(Kind::INVALID, mistakes));
    }
    let new = objects.into_iter().enumerate().map(|(row, mut object)| {
        T::complete(&mut object);
        decode(object, &pointer(row))
    });
    new.collect()
}

async fn create<T: Creatable>(State(app): State<App>, request: ChangeRequest) -> Result<Response, Problem> {
    request.needs_key()?;
    let new = new_rows::<T>(vec![object(request.json()?)?], false)?;
    request.run(&app, &Creation::<T> { new, is_batch: false }).await
}

async fn create_many<T: Creatable>(
    State(app): State<App>,
    request: ChangeRequest,
) -> Result<Response, Problem> {
    request.needs_key()?;
    let new = new_rows::<T>(objects(request.json()?, MAX_ROWS)?, true)?;
    request.run(&app, &Creation::<T> { new, is_batch: true }).await
}
