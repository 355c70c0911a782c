use std::time::{Duration, Instant};

use serde_json::json;
use tallybook::book::Portfolios;
use tallybook::tables::Filter;
use tallybook::{Database, Settings};
use tallybook_testkit::both_dialects;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::program::{Answer, Program, head};

/// Sends a signal to the process.
fn signal(name: &str, process: u32) {
    let sent = std::process::Command::new("kill").args([format!("-{name}"), process.to_string()]).status();
    assert!(sent.unwrap().success());
}

both_dialects! {
    async fn a_request_that_has_begun_is_finished_and_nobody_new_is_served(url: &str) {
        for name in ["TERM", "INT"] {
            let service = Program::start(url);
            let body = json!({ "name": name, "initial_capital": "1", "current_capital": "1", "currency": "USD" }).to_string();
            let mut stream = TcpStream::connect(service.address).await.unwrap();
            let head = head("POST", "/portfolios", &[("expect", "100-continue")], body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            // The service asks for the body: the request has begun.
            let mut asked = [0; 25];
            stream.read_exact(&mut asked).await.unwrap();
            assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");

            signal(name, service.id());
            let deadline = Instant::now() + Duration::from_secs(60);
            while TcpStream::connect(service.address).await.is_ok() {
                assert!(Instant::now() < deadline, "it still listens");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stream.write_all(body.as_bytes()).await.unwrap();
            assert_eq!(Answer::read(&mut stream).await.expect(201)["name"], name);
            assert!(service.ended().await.success());
            if let Some(file) = url.strip_prefix("sqlite:///") {
                assert!(!std::path::Path::new(&format!("{file}-wal")).exists(), "the database was closed");
            }
        }
        let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
        let mut session = db.read().await.unwrap();
        assert_eq!(Portfolios::new(&mut session).count_where(Filter::all()).await.unwrap(), 2);
    }
}
