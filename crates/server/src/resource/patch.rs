//! `PATCH /v1/trades/{id}`: new values for some columns of a row.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::patch;
use serde_json::{Map, Value};
use tallybook::WriteSession;
use tallybook::tables::{IdOf, Repository};

use super::{Patchable, base, lock_expected, path, row_answer};
use crate::app::App;
use crate::change::{Change, ChangeRequest, Made};
use crate::endpoint::Endpoint;
use crate::openapi::schema;
use crate::request::etag::Expected;
use crate::request::field::{Field, checked, decode};
use crate::request::{Kind, PathId, Problem, object};

pub(crate) fn endpoint<T: Patchable>() -> Vec<Endpoint> {
    let name = format!("update{}", T::ROW);
    let mut endpoint = base::<T>(Method::PATCH, path::<T>("/{id}"), name, patch(update::<T>));
    endpoint.summary = format!("Changes a {}", T::NOUN);
    endpoint.docs = "Only the given fields change (RFC 7396). With `If-Match`, only if the row is still the one that had this \
        `ETag`; without it, the change overwrites what others wrote meanwhile."
        .to_owned();
    // The looks for an earlier answer before and, in a conflict, after; the locked row, the change, and the journal.
    endpoint.most = (5, 5);
    endpoint.parameters = vec![schema::id_parameter(), schema::match_header(), schema::key_header(false)];
    endpoint.body = Some(schema::reference(&format!("{}Changes", T::ROW)));
    endpoint.answers =
        vec![row_answer::<T>(StatusCode::OK, "The row as it is now", &["ETag", "X-Tallybook-Token"])];
    endpoint.problems.extend([Kind::NOT_FOUND, Kind::CONFLICT, Kind::STALE]);
    vec![endpoint]
}

/// Returns the fields that a change may have.
pub(crate) fn fields<T: Patchable>() -> Vec<Field> {
    let fields = Field::of::<T>().filter(|field| T::CHANGED.contains(&field.name));
    fields.map(|field| Field { is_required: false, ..field.written() }).collect()
}

/// The change of a row.
struct RowChange<T: Patchable> {
    id: IdOf<T>,
    changes: Map<String, Value>,
    expected: Expected,
}

impl<T: Patchable> Change for RowChange<T> {
    async fn make(&self, session: &mut WriteSession) -> Result<Made, Problem> {
        let mut rows = Repository::<_, T>::new(session);
        lock_expected(&mut rows, self.id, &self.expected).await?;
        let changes = decode(self.changes.clone())?;
        Made::row(StatusCode::OK, &rows.update(self.id, changes).await?)
    }
}

async fn update<T: Patchable>(
    State(app): State<App>,
    PathId(id): PathId<T>,
    request: ChangeRequest,
) -> Result<Response, Problem> {
    let changes = checked(object(request.json()?)?, &fields::<T>())?;
    let expected = Expected::of(&request.headers)?;
    request.run(&app, &RowChange::<T> { id, changes, expected }).await
}
