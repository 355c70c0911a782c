//! Connections: TLS, slow and broken clients, many idle ones, and an end that cuts off no request.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use serde_json::Value;
use tallybook_server::{ListenSettings, Listener, ServiceSettings, serve};
use tallybook_testkit::both_dialects;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{PREPARED, Service};

/// A service that listens on a port of its own.
struct Listening {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    /// Ends with whether all requests were finished.
    ended: JoinHandle<bool>,
}

impl Listening {
    async fn start(routes: Router, settings: ListenSettings) -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::bind(ListenSettings { address: any_port, ..settings }).await.unwrap();
        let address = listener.address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(serve(listener, routes, async {
            let _ = stopped.await;
        }));
        Self { address, stop, ended }
    }

    async fn of(service: &Service) -> Self {
        Self::start(service.routes.clone(), ListenSettings::default()).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a new connection and returns all that comes back until the service ends it.
    async fn say(&self, text: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The service may have answered and closed before it read everything.
        let _ = stream.write_all(text).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn health(&self) -> String {
        self.say(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await
    }
}

const CREATION: &str = "{\"name\": \"pension\", \"initial_capital\": \"1\", \"currency\": \"USD\"}";

fn creation() -> String {
    format!(
        "POST /v1/portfolios HTTP/1.1\r\nhost: localhost\r\nidempotency-key: k\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{CREATION}",
        CREATION.len()
    )
}

async fn portfolios(service: &Service) -> usize {
    let page: Value = service.get("/v1/portfolios").await.expect(200);
    page["rows"].as_array().unwrap().len()
}

both_dialects! { of PREPARED:
    async fn a_request_that_is_cut_at_any_byte_changes_nothing(url: &str) {
        let service = Service::open(url).await;
        let listening = Listening::of(&service).await;
        let request = creation();
        for cut in 0..request.len() {
            let mut stream = listening.connect().await;
            stream.write_all(&request.as_bytes()[..cut]).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            assert!(!answer.starts_with(b"HTTP/1.1 2"), "cut at {cut}: {}", String::from_utf8_lossy(&answer));
        }
        assert_eq!(portfolios(&service).await, 0);
        listening.say(format!("{}GET / HTTP/1.1\r\nconnection: close\r\nhost: a\r\n\r\n", creation()).as_bytes()).await;
        assert_eq!(portfolios(&service).await, 1);
    }
}

#[tokio::test]
async fn idle_connections_do_not_keep_others_from_being_served() {
    let file = PREPARED.on_sqlite("idle_connections").await;
    let service = Service::open(&file.url()).await;
    let listening = Listening::of(&service).await;
    let mut idle = Vec::new();
    for _ in 0..400 {
        idle.push(listening.connect().await);
    }
    assert!(listening.health().await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn clients_whose_bodies_never_end_do_not_keep_others_from_being_served() {
    let file = PREPARED.on_sqlite("endless_bodies").await;
    let settings = ServiceSettings { max_requests: 1, ..ServiceSettings::default() };
    let service = Service::with(&file.url(), settings).await;
    let listening = Listening::of(&service).await;
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut stream = listening.connect().await;
        stream.write_all(&creation().as_bytes()[..150]).await.unwrap();
        slow.push(stream);
    }
    assert_eq!(portfolios(&service).await, 0);
}

#[tokio::test]
async fn a_head_that_does_not_arrive_ends_the_connection() {
    let settings =
        ListenSettings { header_time_limit: Duration::from_millis(50), ..ListenSettings::default() };
    let listening = Listening::start(Router::new(), settings).await;
    assert_eq!(listening.say(b"GET / HTTP/1.1\r\nhost: loc").await, "");
}

#[tokio::test]
async fn a_flood_of_headers_is_refused() {
    let listening = Listening::start(Router::new(), ListenSettings::default()).await;
    let headers: String = (0..1_000).map(|number| format!("x-{number}: 1\r\n")).collect();
    let answer = listening.say(format!("GET / HTTP/1.1\r\nhost: a\r\n{headers}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let long = "a".repeat(1024 * 1024);
    let answer =
        listening.say(format!("GET / HTTP/1.1\r\nhost: a\r\nx-long: {long}\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 ") || answer.is_empty(), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_announced_as_huge_is_refused_before_it_is_sent() {
    let file = PREPARED.on_sqlite("huge_body").await;
    let service = Service::open(&file.url()).await;
    let listening = Listening::of(&service).await;
    let head = "POST /v1/portfolios HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nconnection: close\r\n\
        content-length: 1073741824\r\n\r\n";
    let answer = listening.say(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn the_end_waits_for_a_request_that_runs() {
    let (entered, mut began) = tokio::sync::mpsc::channel::<()>(1);
    let (release, released) = tokio::sync::watch::channel(false);
    let routes = Router::new().route(
        "/slow",
        get(move || {
            let (entered, mut released) = (entered.clone(), released.clone());
            async move {
                entered.send(()).await.unwrap();
                released.wait_for(|released| *released).await.unwrap();
                "done"
            }
        }),
    );
    let listening = Listening::start(routes, ListenSettings::default()).await;
    let mut stream = listening.connect().await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    began.recv().await.unwrap();
    listening.stop.send(()).unwrap();
    // Refused once the service has stopped listening.
    while TcpStream::connect(listening.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    release.send(true).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("done"), "{answer}");
    assert!(listening.ended.await.unwrap());
}

#[tokio::test]
async fn a_request_that_outlasts_the_end_is_cut_off_and_the_end_says_so() {
    let (entered, mut began) = tokio::sync::mpsc::channel::<()>(1);
    let routes = Router::new().route(
        "/stuck",
        get(move || {
            let entered = entered.clone();
            async move {
                entered.send(()).await.unwrap();
                std::future::pending::<()>().await;
            }
        }),
    );
    let settings = ListenSettings { shutdown_limit: Duration::from_millis(20), ..ListenSettings::default() };
    let listening = Listening::start(routes, settings).await;
    let mut stream = listening.connect().await;
    stream.write_all(b"GET /stuck HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    began.recv().await.unwrap();
    listening.stop.send(()).unwrap();
    assert!(!listening.ended.await.unwrap());
}

#[tokio::test]
async fn files_of_tls_that_are_none_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("empty.pem");
    std::fs::write(&file, "").unwrap();
    for (certificate, key) in [(file.clone(), file.clone()), (directory.path().join("missing.pem"), file)] {
        let named = certificate.display().to_string();
        let tls = Some(tallybook_server::TlsFiles { certificate, key });
        let error = Listener::bind(ListenSettings { tls, ..ListenSettings::default() }).await.unwrap_err();
        assert!(error.to_string().starts_with(&named), "{error}");
    }
}
