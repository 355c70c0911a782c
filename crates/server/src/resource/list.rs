//! `GET /v1/trades`: a page of rows, newest first.

use axum::extract::State;
use axum::http::header::LINK;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use serde_json::json;
use tallybook::tables::{Cursor, Repository, Table};

use super::filter::{described, filter};
use super::read::include;
use super::{MAX_ROWS, Resource, base, include_parameter, most_statements, path};
use crate::app::App;
use crate::endpoint::{Endpoint, Parameter, Success};
use crate::openapi::schema;
use crate::request::{Consistency, Parameters, Problem, etag, parse_id, to_json};

const DEFAULT_ROWS: u32 = 50;

pub(super) fn endpoint<T: Resource>() -> Endpoint {
    let mut endpoint = base::<T>(Method::GET, path::<T>(""), format!("list{}s", T::ROW), get(list::<T>));
    endpoint.summary = format!("Lists {}s", T::NOUN);
    endpoint.docs = "Newest first. `next` is the cursor of the next page, and the header `Link` its address; the last page has \
        neither. Rows that are added meanwhile neither repeat nor hide others. Relations come from one snapshot, together \
        with their rows, in one round trip more."
        .to_owned();
    // The page, and its rows with their relations. An SQLite file in which other programs wrote times in their own spellings
    // takes one statement more.
    endpoint.most = (2 + most_statements::<T>(), 3);
    endpoint.parameters = described::<T>().collect();
    endpoint.parameters.extend([
        Parameter {
            name: "limit",
            place: "query",
            is_required: false,
            docs: format!("The rows of a page at most; {DEFAULT_ROWS} by default."),
            schema: json!({ "type": "integer", "minimum": 1, "maximum": MAX_ROWS, "default": DEFAULT_ROWS }),
        },
        Parameter {
            name: "after",
            place: "query",
            is_required: false,
            docs: "The cursor of the page before, from its `next`.".to_owned(),
            schema: json!({ "type": "string", "pattern": cursor_pattern::<T>() }),
        },
    ]);
    endpoint.parameters.extend(include_parameter::<T>());
    endpoint.parameters.extend(schema::reading_headers());
    endpoint.answers = vec![
        Success {
            status: StatusCode::OK,
            docs: "The rows",
            body: Some(("application/json", schema::page(T::ROW))),
            headers: &["ETag", "Link"],
        },
        schema::not_modified(),
    ];
    endpoint
}

/// Returns the pattern of a cursor: the name of the table, the time of a row if the list is ordered by it, and its identifier.
fn cursor_pattern<T: Resource>() -> String {
    let time = if T::ORDER.is_some() { r"[0-9]{1,16}\." } else { "" };
    format!(r"^{}\.{time}[0-9]{{1,18}}$", <T as Table>::NAME)
}

async fn list<T: Resource>(
    State(app): State<App>,
    uri: Uri,
    consistency: Consistency,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let include = include::<T>(&mut parameters);
    let filter = filter::<T>(&mut parameters);
    let limit = limit(&mut parameters);
    let after = parameters.text("after").map(|text| text.parse::<Cursor<T>>());
    let after = after.transpose().unwrap_or_else(|_| {
        parameters
            .refuse("after", "is not a cursor of this list; pass the `next` of one of its pages unchanged");
        None
    });
    parameters.finish()?;
    let mut session = consistency.read(&app).await?;
    let mut rows = Repository::<_, T>::new(&mut session);
    let page = rows.get_page_where(filter, after.as_ref(), limit).await?;
    let body = match include.is_none() {
        true => to_json(&page)?,
        false => {
            let ids: Vec<_> = page.rows.iter().map(Table::id).collect();
            let rows = rows.including(include).load_many(&ids).await?;
            to_json(&json!({ "rows": rows, "next": page.next }))?
        }
    };
    drop(session);
    let mut response = etag::answer(&headers, body)?;
    if let Some(next) = &page.next
        && let Ok(link) =
            HeaderValue::try_from(format!("<{}>; rel=\"next\"", following(&uri, &next.to_string())))
    {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

fn limit(parameters: &mut Parameters) -> u32 {
    let most = MAX_ROWS as u32;
    let is_allowed = |text: &str| {
        parse_id(text).and_then(|rows| u32::try_from(rows).ok()).filter(|rows| (1..=most).contains(rows))
    };
    parameters.parsed_by("limit", "a number from 1 to 1000", is_allowed).unwrap_or(DEFAULT_ROWS)
}

/// Returns the address of the next page: this one's, with another cursor.
fn following(uri: &Uri, cursor: &str) -> String {
    let others = uri.query().unwrap_or_default().split('&');
    let others = others.filter(|pair| !pair.is_empty() && pair.split('=').next() != Some("after"));
    let query: Vec<_> = others.map(str::to_owned).chain([format!("after={cursor}")]).collect();
    format!("{}?{}", uri.path(), query.join("&"))
}
