//! `DELETE /v1/portfolios/{id}`: a row without others that refer to it.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::delete;
use tallybook::WriteSession;
use tallybook::tables::{Editable, Error, IdOf, Repository};

use super::{Resource, base, lock_expected, path};
use crate::app::App;
use crate::change::{Change, ChangeRequest, Made};
use crate::endpoint::{Endpoint, Success};
use crate::openapi::schema;
use crate::request::etag::Expected;
use crate::request::{Kind, PathId, Problem};

pub(crate) fn endpoint<T: Resource + Editable>() -> Vec<Endpoint> {
    let name = format!("delete{}", T::ROW);
    let mut endpoint = base::<T>(Method::DELETE, path::<T>("/{id}"), name, delete(remove::<T>));
    endpoint.summary = format!("Deletes a {}", T::NOUN);
    endpoint.docs =
        "Refused while other rows refer to it. With `If-Match`, only the row that had this `ETag`."
            .to_owned();
    // The looks for an earlier answer before and, in a conflict, after; the locked row, the deletion, and the journal.
    endpoint.most = (5, 5);
    endpoint.parameters = vec![schema::id_parameter(), schema::match_header(), schema::key_header(false)];
    endpoint.answers = vec![Success {
        status: StatusCode::NO_CONTENT,
        docs: "It is deleted",
        body: None,
        headers: &["X-Tallybook-Token"],
    }];
    endpoint.problems.extend([Kind::NOT_FOUND, Kind::CONFLICT, Kind::STALE]);
    vec![endpoint]
}

/// The deletion of a row.
struct Removal<T: Resource> {
    id: IdOf<T>,
    expected: Expected,
}

impl<T: Resource + Editable> Change for Removal<T> {
    async fn make(&self, session: &mut WriteSession) -> Result<Made, Problem> {
        let mut rows = Repository::<_, T>::new(session);
        lock_expected(&mut rows, self.id, &self.expected).await?;
        match rows.delete(self.id).await? {
            true => Ok(Made::without_body()),
            false => Err(Error::missing::<T>(self.id).into()),
        }
    }
}

async fn remove<T: Resource + Editable>(
    State(app): State<App>,
    PathId(id): PathId<T>,
    request: ChangeRequest,
) -> Result<Response, Problem> {
    let expected = Expected::of(&request.headers)?;
    request.run(&app, &Removal::<T> { id, expected }).await
}
