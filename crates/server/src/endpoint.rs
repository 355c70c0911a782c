//! Endpoints: what each is to clients, what it may ask of the database, and the function that answers it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use serde_json::Value;

use crate::access::Scope;
use crate::app::App;
use crate::request::{Kind, Problem, Rules, live};

/// One method of one path. The routes, the checks before them and the OpenAPI document all come from it.
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// The group in the document.
    pub(crate) tag: &'static str,
    /// The name of the operation, for generated clients.
    pub(crate) name: String,
    pub(crate) summary: String,
    pub(crate) docs: String,
    /// The scope that a token needs; `None` for what everybody may see.
    pub(crate) scope: Option<Scope>,
    /// The statements and round trips that a request takes at most, if no other change is in its way.
    pub(crate) most: (u64, u64),
    /// Set if rows are still read while the answer is sent.
    pub(crate) streams: bool,
    pub(crate) parameters: Vec<Parameter>,
    /// The schema of the body, for requests that have one.
    pub(crate) body: Option<Value>,
    pub(crate) answers: Vec<Success>,
    pub(crate) problems: Vec<Kind>,
    pub(crate) handler: MethodRouter<App>,
}

/// A parameter of an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// `path`, `query` or `header`.
    pub(crate) place: &'static str,
    pub(crate) is_required: bool,
    pub(crate) docs: String,
    pub(crate) schema: Value,
}

/// An answer to a request that was done.
#[derive(Clone, Debug)]
pub(crate) struct Success {
    pub(crate) status: StatusCode,
    pub(crate) docs: &'static str,
    /// Media type and schema of the body, if there is one.
    pub(crate) body: Option<(&'static str, Value)>,
    /// The names of its headers.
    pub(crate) headers: &'static [&'static str],
}

/// Returns the routes of the endpoints. Each path answers `OPTIONS`, and every other method with 405.
pub(crate) fn routes(app: &App, endpoints: Vec<Endpoint>) -> Router<App> {
    let mut paths: BTreeMap<String, (Vec<Method>, MethodRouter<App>)> = BTreeMap::new();
    for endpoint in endpoints {
        let rules = Rules {
            name: Arc::from(format!("{} {}", endpoint.method, endpoint.path)),
            scope: endpoint.scope,
            most: endpoint.most,
            streams: endpoint.streams,
            takes_json: endpoint.body.is_some(),
        };
        let handler = endpoint.handler.layer(from_fn_with_state((app.clone(), rules), live));
        let (methods, router) = paths.entry(endpoint.path).or_default();
        methods.push(endpoint.method);
        *router = std::mem::take(router).merge(handler);
    }
    let mut routes = Router::new();
    for (path, (methods, router)) in paths {
        routes = routes.route(&path, router.fallback(other_method(&methods)));
    }
    routes.fallback(async || Problem::new(Kind::NO_PATH, "`/openapi.json` lists the paths"))
}

/// Returns the handler of the methods that a path does not have.
fn other_method(
    methods: &[Method],
) -> impl Fn(Method) -> std::future::Ready<Response> + Clone + Send + Sync + 'static {
    let mut names: Vec<_> = methods.iter().map(Method::as_str).collect();
    if methods.contains(&Method::GET) {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    let allow = HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"));
    move |method| {
        let mut response = match method {
            Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
            _ => Problem::new(Kind::METHOD, "the header `Allow` lists the methods of this path")
                .into_response(),
        };
        response.headers_mut().insert(ALLOW, allow.clone());
        std::future::ready(response)
    }
}
