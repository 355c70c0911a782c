//! The endpoints of a table: each table of the book declares what clients may do, and the rest follows from its columns.

mod create;
mod export;
mod filter;
mod list;
mod many;
mod patch;
mod read;
mod remove;

use axum::http::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tallybook::WriteSession;
use tallybook::tables::{Editable, Error, IdOf, Include, Load, Repository, Table};

pub(crate) use filter::{ListFilter, filters};

use crate::access::Scope;
use crate::endpoint::{Endpoint, Parameter, Success};
use crate::openapi::schema;
use crate::request::etag::{Expected, Tag};
use crate::request::field::Field;
use crate::request::{Kind, Problem, to_json};

/// The most rows of a page, or of a batch.
pub(crate) const MAX_ROWS: usize = 1_000;

/// A table over HTTP.
pub(crate) trait Resource: Table<Key = i64> + Serialize {
    /// The row with the relations that `include` names.
    type View: Load<Root = Self> + Serialize;
    /// The last part of the path, `trades` in `/v1/trades`; also the group in the document.
    const PATH: &'static str;
    /// The name of the row in the document, `Trade`.
    const ROW: &'static str;
    /// The filters of lists.
    const FILTERS: &'static [ListFilter];
}

/// A table to which clients add rows.
pub(crate) trait Creatable: Resource<New: DeserializeOwned + Send> {
    /// The fields of a new row that clients may give. The others have their defaults.
    const GIVEN: &'static [&'static str];

    /// The fields that must be above zero.
    const ABOVE_ZERO: &'static [&'static str] = &[];

    /// Adds the fields that follow from others.
    fn complete(_new: &mut Map<String, Value>) {}
}

/// A table whose rows clients change.
pub(crate) trait Patchable: Resource<Changes: DeserializeOwned> + Editable {
    /// The columns that clients may change.
    const CHANGED: &'static [&'static str];
}

/// Returns the path of the list, or below it.
fn path<T: Resource>(below: &str) -> String {
    format!("/v1/{}{below}", T::PATH)
}

/// Returns the endpoints that read a table.
pub(crate) fn reads<T: Resource>() -> Vec<Endpoint> {
    vec![read::endpoint::<T>(), many::endpoint::<T>(), list::endpoint::<T>(), export::endpoint::<T>()]
}

/// Returns the endpoints that add rows, one or many at a time.
pub(crate) fn creates<T: Creatable>() -> Vec<Endpoint> {
    vec![create::endpoint::<T>(), create::batch_endpoint::<T>()]
}

pub(crate) use patch::endpoint as patches;
pub(crate) use remove::endpoint as removes;

/// The parameter `include` of a table, if it has relations to include.
fn include_parameter<T: Resource>() -> Option<Parameter> {
    let paths = Include::<T::View>::paths();
    (!paths.is_empty()).then(|| Parameter {
        name: "include",
        place: "query",
        is_required: false,
        docs: format!(
            "Relations to load with the row, in the same round trip and snapshot, with commas between them: {}. A relation of \
             a relation includes both.",
            paths.join(", ")
        ),
        schema: schema::list_of_words(paths),
    })
}

/// Returns the statements that a read takes at most.
fn most_statements<T: Resource>() -> u64 {
    1 + Include::<T::View>::paths().len() as u64
}

fn field<T: Resource>(name: &str) -> Field {
    let found = Field::of::<T>().find(|field| field.name == name);
    found.unwrap_or_else(|| panic!("{} has no column {name}", T::ROW))
}

/// The answer with a row.
fn row_answer<T: Resource>(
    status: StatusCode,
    docs: &'static str,
    headers: &'static [&'static str],
) -> Success {
    Success { status, docs, body: Some(("application/json", schema::reference(T::ROW))), headers }
}

/// Locks the row that a change is made to if the change has a condition, and compares the row with it.
async fn lock_expected<T: Resource>(
    rows: &mut Repository<'_, WriteSession, T>,
    id: IdOf<T>,
    expected: &Expected,
) -> Result<(), Problem> {
    if !expected.is_some() {
        return Ok(());
    }
    let found = rows.get_for_update(id).await?.ok_or_else(|| Error::missing::<T>(id))?;
    expected.check(&Tag::of(&to_json(&found)?))
}

/// Returns an endpoint of a table, with everything that its method decides.
fn base<T: Resource>(
    method: Method,
    path: String,
    name: String,
    handler: axum::routing::MethodRouter<crate::app::App>,
) -> Endpoint {
    let scope = match method {
        Method::GET => Scope::Read,
        Method::DELETE => Scope::Admin,
        _ => Scope::Write,
    };
    Endpoint {
        method,
        path,
        tag: T::PATH,
        name,
        summary: String::new(),
        docs: String::new(),
        scope: Some(scope),
        most: (1, 1),
        streams: false,
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        problems: vec![Kind::BAD_PARAMETER],
        handler,
    }
}
pub(crate) use create::fields as created_fields;
pub(crate) use patch::fields as patched_fields;
