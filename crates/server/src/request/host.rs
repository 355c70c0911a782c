//! The names of the service.

use axum::http::header::HOST;
use axum::http::{HeaderMap, Uri};

use super::problem::{Kind, Problem};

/// The names by which clients may call the service. A page whose own name was pointed at this machine (DNS rebinding) calls it
/// by another one.
#[derive(Clone, Debug)]
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    pub(crate) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        if self.0.is_empty() {
            return Ok(());
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let name = uri.host().or(host.map(without_port)).unwrap_or_default().to_ascii_lowercase();
        if self.0.contains(&name) {
            return Ok(());
        }
        Err(Problem::new(Kind::WRONG_HOST, "call the service by its own name; `--host` adds one"))
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}
