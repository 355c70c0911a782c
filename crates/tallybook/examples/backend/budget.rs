//! The budget of an endpoint.

use std::convert::Infallible;

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use tallybook::{Budget, Database, Scope};

/// An endpoint with a budget.
pub(crate) trait Within {
    /// Allows each request these statements and round trips, neither N+1 loops nor redundant reads, and no session that stays
    /// open.
    fn within(self, statements: u64, round_trips: u64) -> Self;
}

impl Within for MethodRouter<Database, Infallible> {
    fn within(self, statements: u64, round_trips: u64) -> Self {
        let budget = Budget::new().statements(statements).round_trips(round_trips);
        let budget = budget.no_n_plus_one().no_redundant().no_leaks();
        self.layer(from_fn_with_state(budget, measure))
    }
}

/// Runs a request in a scope. A request that exceeds its budget fails in a debug build, so that no test passes with it; a
/// release build logs it.
async fn measure(State(budget): State<Budget>, path: MatchedPath, request: Request, next: Next) -> Response {
    let scope = Scope::new(format!("{} {}", request.method(), path.as_str()));
    let response = scope.run(next.run(request)).await;
    match budget.check(scope.name(), scope.summary()) {
        Err(exceeded) if cfg!(debug_assertions) => {
            (StatusCode::INTERNAL_SERVER_ERROR, exceeded.to_string()).into_response()
        }
        Err(exceeded) => {
            tracing::warn!(target: "backend", "{exceeded}");
            response
        }
        Ok(()) => response,
    }
}
