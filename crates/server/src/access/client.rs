//! The client of a request.

use super::Scope;

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// The token; 0 if none is needed.
    pub(crate) token_id: i64,
    /// The name of the token.
    pub(crate) name: std::sync::Arc<str>,
    pub(crate) scope: Scope,
}
