//! Identifiers of requests, which join an answer with the log.

use std::fmt;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header of a request's identifier, in both directions.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_LENGTH: usize = 64;

/// The identifier of a request: the client's, or a random one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// Returns the identifier that the client sent, if it is short and plain, and a new one otherwise.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let is_plain = |id: &HeaderValue| {
            let bytes = id.as_bytes();
            let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
            (1..=MAX_LENGTH).contains(&bytes.len()) && bytes.iter().all(is_plain)
        };
        match headers.get(REQUEST_ID) {
            Some(id) if is_plain(id) => Self(id.clone()),
            _ => Self::random(),
        }
    }

    fn random() -> Self {
        let mut bytes = [0; 8];
        // Without randomness requests are still served; their identifiers are alike.
        let _ = getrandom::fill(&mut bytes);
        let text = format!("{:016x}", u64::from_be_bytes(bytes));
        Self(HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("0")))
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
