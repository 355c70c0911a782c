//! One connection after the other.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::Ending;

/// Bytes of a request's head, and headers, at most; more are answered with 431 by hyper.
const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADERS: usize = 100;

/// Serves connections, each in a task of its own.
pub(super) struct Connections {
    routes: Router,
    tls: Option<TlsAcceptor>,
    header_time_limit: Duration,
}

impl Connections {
    pub(super) fn new(
        routes: Router,
        tls: Option<TlsAcceptor>,
        header_time_limit: Duration,
        ending: Ending,
    ) -> Self {
        // Each request has it among its extensions.
        Self { routes: routes.layer(Extension(ending)), tls, header_time_limit }
    }

    /// Serves a connection until one side ends it. `place` is free again afterwards.
    pub(super) fn serve(&self, stream: TcpStream, place: OwnedSemaphorePermit, graceful: &GracefulShutdown) {
        let (routes, limit) = (self.routes.clone(), self.header_time_limit);
        let watcher = graceful.watcher();
        match self.tls.clone() {
            None => {
                tokio::spawn(async move {
                    requests(stream, routes, limit, watcher).await;
                    drop(place);
                });
            }
            Some(tls) => {
                tokio::spawn(async move {
                    // Whoever connects and says nothing, or no TLS, is not worth a line in the log.
                    if let Ok(Ok(stream)) = timeout(limit, tls.accept(stream)).await {
                        requests(stream, routes, limit, watcher).await;
                    }
                    drop(place);
                });
            }
        }
    }
}

/// Answers the requests of a connection.
async fn requests<S>(
    stream: S,
    routes: Router,
    header_time_limit: Duration,
    watcher: hyper_util::server::graceful::Watcher,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: hyper::Request<Incoming>| answer(routes.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_time_limit)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(target: "tallybook::server", reason = %error, "a connection ended early");
    }
}

async fn answer(routes: Router, request: hyper::Request<Incoming>) -> Result<Response, Infallible> {
    let request: Request = request.map(Body::new);
    Ok(match routes.oneshot(request).await {
        Ok(response) => response,
        Err(never) => never.into_response(),
    })
}
