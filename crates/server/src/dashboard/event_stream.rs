//! The stream of server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::guard::Permission;
use super::live::Viewer;
use crate::listen::Ending;

/// After this silence a comment is sent, so that both sides notice a broken connection.
const SILENCE: Duration = Duration::from_secs(15);

/// Returns the answer that sends events to a viewer as long as the permission holds and the service is not ending.
pub(super) fn answer(viewer: Viewer, permission: Permission, ending: Option<Ending>) -> Response {
    let body = events(viewer, permission).map(Ok::<_, Infallible>);
    let body = match ending {
        Some(ending) => Body::from_stream(body.take_until(Box::pin(ending.begun()))),
        None => Body::from_stream(body),
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        // Proxies such as nginx would hold events back.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, body).into_response()
}

fn events(viewer: Viewer, permission: Permission) -> impl Stream<Item = Bytes> + Send {
    let greeting = viewer.greeting.clone();
    // Only who has logged in can log out.
    let session = permission.is_logged_in().then_some(Bytes::from_static(b"event: session\ndata: {}\n\n"));
    let later = stream::unfold((viewer, permission), async |(mut viewer, permission)| {
        let event = next(&mut viewer).await?;
        permission.holds().await.then_some((event, (viewer, permission)))
    });
    stream::iter(session.into_iter().chain([greeting])).chain(later)
}

/// Waits for the next event; `None` if there will be none.
async fn next(viewer: &mut Viewer) -> Option<Bytes> {
    loop {
        match timeout(SILENCE, viewer.events.recv()).await {
            Ok(Ok(event)) => return Some(event),
            // A slow viewer misses events and goes on with those that are left.
            Ok(Err(RecvError::Lagged(_))) => {}
            Ok(Err(RecvError::Closed)) => return None,
            Err(_) => return Some(Bytes::from_static(b":\n\n")),
        }
    }
}
