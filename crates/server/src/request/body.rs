//! Bodies of requests: read in bounded memory, and checked against the columns of a table, so that a problem names each wrong field.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::problem::{Kind, Problem};

/// Room for all bodies that are in memory at a time, in KiB.
const ROOM: u32 = 64 * 1024;

/// Reads bodies. Those that arrive slowly hold room for their bytes, and no connection to the database.
#[derive(Clone, Debug)]
pub(crate) struct Bodies {
    max_bytes: usize,
    time_limit: Duration,
    room: Arc<Semaphore>,
}

/// A body, and the room that it takes.
pub(crate) struct ReadBody {
    pub(crate) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    pub(crate) fn new(max_bytes: usize, time_limit: Duration) -> Self {
        Self { max_bytes, time_limit, room: Arc::new(Semaphore::new(ROOM as usize)) }
    }

    /// Reads the whole body.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<ReadBody, Problem> {
        let declared =
            headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if declared == Some(0) || HttpBody::is_end_stream(&body) {
            return Ok(ReadBody { bytes: Bytes::new(), _room: None });
        }
        let most = self.max_bytes as u64;
        if declared.is_some_and(|length| length > most) {
            return Err(self.too_large());
        }
        let kib = u32::try_from(declared.unwrap_or(most).div_ceil(1024)).unwrap_or(ROOM).min(ROOM);
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(kib) else {
            return Err(Problem::new(Kind::OVERLOADED, "too many large bodies arrive at once; try again"));
        };
        let Ok(read) = timeout(self.time_limit, Limited::new(body, self.max_bytes).collect()).await else {
            let seconds = self.time_limit.as_secs();
            return Err(Problem::new(Kind::SLOW_BODY, format!("the body took more than {seconds} s")));
        };
        match read {
            Ok(read) => Ok(ReadBody { bytes: read.to_bytes(), _room: Some(room) }),
            Err(error) if error.is::<LengthLimitError>() => Err(self.too_large()),
            Err(_) => Err(Problem::new(Kind::BAD_JSON, "the body ended too early")),
        }
    }

    fn too_large(&self) -> Problem {
        Problem::new(Kind::TOO_LARGE, format!("the body has more than {} bytes", self.max_bytes))
    }
}

/// Checks that the body is declared as JSON.
pub(crate) fn check_media_type(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = declared.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_json = essence == "application/json"
        || (method == Method::PATCH && essence == "application/merge-patch+json");
    let is_utf8 = parts.all(|parameter| match parameter.to_ascii_lowercase().strip_prefix("charset=") {
        Some(charset) => charset.trim_matches('"') == "utf-8",
        None => true,
    });
    if is_json && is_utf8 {
        return Ok(());
    }
    Err(Problem::new(Kind::MEDIA_TYPE, "send the body as `Content-Type: application/json`, in UTF-8"))
}

/// Parses a body. Nothing may follow the value.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    if bytes.is_empty() {
        return Err(Problem::new(Kind::BAD_JSON, "the body is empty"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        // Neither the syntax errors of serde_json nor their place quote the body.
        Problem::new(Kind::BAD_JSON, error.to_string())
    })
}

/// Returns the object that a body is.
pub(crate) fn object(value: Value) -> Result<Map<String, Value>, Problem> {
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(Problem::new(Kind::BAD_JSON, "the body must be a JSON object")),
    }
}

/// Returns the array that a body is, of 1 to `most` objects.
pub(crate) fn objects(value: Value, most: usize) -> Result<Vec<Map<String, Value>>, Problem> {
    let Value::Array(items) = value else {
        return Err(Problem::new(Kind::BAD_JSON, "the body must be a JSON array of objects"));
    };
    if items.is_empty() || items.len() > most {
        let detail = format!("the array has {} items, and 1 to {most} are taken at a time", items.len());
        return Err(Problem::new(Kind::BAD_JSON, detail));
    }
    let objects = items.into_iter().map(|item| match item {
        Value::Object(map) => Ok(map),
        _ => Err(Problem::new(Kind::BAD_JSON, "each item of the array must be an object")),
    });
    objects.collect()
}
