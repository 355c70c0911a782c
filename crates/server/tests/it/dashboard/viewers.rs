//! Viewers: how many there may be, and when their streams end.

use axum::http::{Request, StatusCode};
use tallybook::{Database, Settings};
use tallybook_server::{ListenSettings, Listener, dashboard, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::Viewer;
use crate::support::{PREPARED, Service};

#[tokio::test]
async fn viewers_take_no_place_of_requests_and_are_bounded() {
    let file = PREPARED.on_sqlite("viewers").await;
    let settings = tallybook_server::ServiceSettings { max_requests: 1, ..Default::default() };
    let service = Service::with(&file.url(), settings).await;
    let mut viewers = Vec::new();
    for _ in 0..64 {
        viewers.push(Viewer::open(&service.routes).await);
    }
    let refused = Viewer::with(&service.routes, Request::get("/live/events")).await.err();
    assert_eq!(refused, Some(StatusCode::SERVICE_UNAVAILABLE));
    service.get("/v1/portfolios").await.expect(200);
    viewers.pop();
    Viewer::open(&service.routes).await.event("hello").await;
}

#[tokio::test]
async fn all_viewers_receive_the_same_text() {
    let file = PREPARED.on_sqlite("shared").await;
    let service = Service::open(&file.url()).await;
    let (mut one, mut other) = (Viewer::open(&service.routes).await, Viewer::open(&service.routes).await);
    one.event("hello").await;
    other.event("hello").await;
    let at = |tick: &serde_json::Value| tick["at"].as_str().unwrap().to_owned();
    // The first ticks belong to the greetings.
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        left.push(one.event("tick").await);
        right.push(other.event("tick").await);
    }
    let shared = left.iter().filter(|tick| right.iter().any(|seen| at(seen) == at(tick)));
    let shared: Vec<_> = shared.collect();
    assert!(shared.len() >= 2);
    assert!(shared.iter().all(|tick| right.contains(tick)));
}

#[tokio::test]
async fn a_stream_ends_when_the_service_ends() {
    let file = PREPARED.on_sqlite("ending").await;
    let service = Service::open(&file.url()).await;
    let any_port = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Listener::bind(ListenSettings { address: any_port, ..Default::default() }).await.unwrap();
    let address = listener.address().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(serve(listener, service.routes.clone(), async {
        let _ = stopped.await;
    }));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /live/events HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut text = String::new();
    let mut bytes = [0; 4096];
    while !text.contains("event: hello") {
        let read = stream.read(&mut bytes).await.unwrap();
        assert_ne!(read, 0, "{text}");
        text += &String::from_utf8_lossy(&bytes[..read]);
    }
    stop.send(()).unwrap();
    assert!(ended.await.unwrap(), "the stream was cut off");
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("0\r\n\r\n"), "the answer is complete: {text}");
}

#[tokio::test]
async fn a_dashboard_that_is_dropped_keeps_no_database_open() {
    let file = PREPARED.on_sqlite("dropped").await;
    let db = Database::open(Settings::new(&file.url()).unwrap()).await.unwrap();
    let routes = dashboard(&db);
    let mut viewer = Viewer::open(&routes).await;
    viewer.event("hello").await;
    drop(routes);
    let weak = db.downgrade();
    drop(db);
    while viewer.next().await.is_some() {}
    // Tasks of the database itself hold it for a moment now and then.
    while weak.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
}
