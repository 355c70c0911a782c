//! Entity tags: whether a row, or a page of rows, is still the one that a client knows.

use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::problem::{Kind, Problem};
use crate::hexadecimal::hexadecimal;

/// The tag of a row's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag(String);

impl Tag {
    /// Returns the tag of a body.
    pub(crate) fn of(body: &[u8]) -> Self {
        Self(format!("\"{}\"", hexadecimal(&Sha256::digest(body)[..16])))
    }

    fn header(&self) -> HeaderValue {
        HeaderValue::try_from(&self.0).unwrap_or(HeaderValue::from_static("\"\""))
    }
}

/// The condition of an update: the tags in `If-Match`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected(Option<Vec<String>>);

impl Expected {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(tags) = tags(headers, &IF_MATCH)? else { return Ok(Self(None)) };
        Ok(Self(Some(tags)))
    }

    /// Returns whether there is a condition, so that the row must be read first.
    pub(crate) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Compares the row of now with the condition.
    pub(crate) fn check(&self, found: &Tag) -> Result<(), Problem> {
        let Some(tags) = &self.0 else { return Ok(()) };
        if tags.iter().any(|tag| tag == "*" || *tag == found.0) {
            return Ok(());
        }
        let detail = "the row was changed since it was read; read it again and decide again";
        Err(Problem::new(Kind::STALE, detail))
    }
}

/// Returns a JSON answer with its tag; 304 without a body if the client has it already.
pub(crate) fn answer(headers: &HeaderMap, body: Vec<u8>) -> Result<Response, Problem> {
    let tag = Tag::of(&body);
    // A weak comparison: proxies may have compressed what the client has.
    let known = tags(headers, &IF_NONE_MATCH)?.unwrap_or_default();
    let is_known = known.iter().any(|known| known == "*" || known.trim_start_matches("W/") == tag.0);
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => super::json(StatusCode::OK, body),
    };
    response.headers_mut().insert(ETAG, tag.header());
    Ok(response)
}

/// Adds the tag of a row that was written.
pub(crate) fn add(response: &mut Response, tag: &Tag) {
    response.headers_mut().insert(ETAG, tag.header());
}

/// Returns the tags in a header; quoted, weak ones with their `W/`.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Vec<String>>, Problem> {
    let mut all = None;
    for value in headers.get_all(name) {
        let refused =
            || Problem::parameter(name.to_string(), "must be entity tags in quotes, as ETag gave them");
        let text = value.to_str().map_err(|_| refused())?;
        for tag in text.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            let quoted = tag.trim_start_matches("W/");
            let is_tag = quoted.len() >= 2 && quoted.starts_with('"') && quoted.ends_with('"');
            if !is_tag && tag != "*" {
                return Err(refused());
            }
            all.get_or_insert_with(Vec::new).push(tag.to_owned());
        }
    }
    match all {
        // Whoever sends an empty condition meant one: a change without it would overwrite what others wrote.
        None if headers.contains_key(name) => {
            Err(Problem::parameter(name.to_string(), "must be entity tags in quotes, as ETag gave them"))
        }
        all => Ok(all),
    }
}
